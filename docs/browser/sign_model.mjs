// A sign-toolkit model in JavaScript: reads what the file says about itself, feeds it one clip, gives the answers.
// The same module serves the page (index.html) and node (recognize.mjs); it knows neither files nor screens.

const PREFIX = 'sign_toolkit.';

/** Open a model. ort: the onnxruntime-web module; bytes: Uint8Array of the .onnx file. */
export async function openModel(ort, bytes) {
  const metadata = readMetadata(bytes);
  const session = await ort.InferenceSession.create(bytes, { executionProviders: ['wasm'] });
  return { ort, session, metadata };
}

/**
 * The best glosses of one clip: [[gloss, score], ...], best first.
 * clip: {shape: [T, ...item_shape], data: Float32Array}, NaN where nothing was found.
 */
export async function recognize({ ort, session, metadata }, clip, top = 5) {
  const expected = metadata.item_shape;
  if (clip.shape.length !== expected.length + 1 || expected.some((size, axis) => size !== clip.shape[axis + 1])) {
    throw new Error(`the model takes (T, ${expected.join(', ')}), the clip is (${clip.shape.join(', ')})`);
  }
  const clips = new ort.Tensor('float32', clip.data, [1, ...clip.shape]);
  const { logits } = await session.run({ clips });
  const scores = softmax(Array.from(logits.data), metadata.temperature ?? 1);
  const order = scores.map((_, index) => index).sort((a, b) => scores[b] - scores[a]);
  return order.slice(0, top).map((index) => [metadata.glosses[index], scores[index]]);
}

/** The sign_toolkit.* entries of the file, JSON parsed, without the prefix. */
export function readMetadata(bytes) {
  const metadata = {};
  // ModelProto of onnx.proto: field 14 is metadata_props, each entry with key = 1 and value = 2
  for (const entry of fields(bytes, 14)) {
    const [key] = fields(entry, 1).map(text);
    const [value] = fields(entry, 2).map(text);
    if (key?.startsWith(PREFIX)) metadata[key.slice(PREFIX.length)] = JSON.parse(value);
  }
  if (!(metadata.format >= 1)) throw new Error('this is not a model that toolkit export wrote');
  if (metadata.format > 1) throw new Error(`metadata format ${metadata.format} is newer than this program`);
  return metadata;
}

/** An array that numpy.save wrote: {shape, data}; float32, little-endian, row by row. */
export function readNpy(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const wide = bytes[6] > 1; // version 2 and 3 have a length of four bytes
  const start = wide ? 12 : 10;
  const length = wide ? view.getUint32(8, true) : view.getUint16(8, true);
  const header = text(bytes.subarray(start, start + length));
  if (!header.includes("'<f4'") || header.includes("'fortran_order': True")) {
    throw new Error(`save the clip as float32 with numpy.save; its header is ${header.trim()}`);
  }
  const shape = header.match(/'shape': \(([^)]*)\)/)[1].split(',').filter((size) => size.trim()).map(Number);
  return { shape, data: new Float32Array(bytes.slice(start + length).buffer) };
}

function softmax(logits, temperature) {
  const highest = Math.max(...logits);
  const powers = logits.map((logit) => Math.exp((logit - highest) / temperature));
  const sum = powers.reduce((total, power) => total + power, 0);
  return powers.map((power) => power / sum);
}

// Protocol buffers, the part that is needed: the byte strings of one field number in a message.
function fields(bytes, wanted) {
  const found = [];
  let at = 0;
  const varint = () => {
    let value = 0;
    for (let factor = 1; ; factor *= 128) {
      const byte = bytes[at++];
      value += (byte & 127) * factor;
      if (byte < 128) return value;
    }
  };
  while (at < bytes.length) {
    const tag = varint();
    const [number, type] = [Math.floor(tag / 8), tag % 8];
    if (type === 0) varint();
    else if (type === 1) at += 8;
    else if (type === 5) at += 4;
    else if (type === 2) {
      const length = varint();
      if (number === wanted) found.push(bytes.subarray(at, at + length));
      at += length;
    } else throw new Error('this is no ONNX file');
  }
  return found;
}

function text(bytes) {
  return new TextDecoder().decode(bytes);
}
