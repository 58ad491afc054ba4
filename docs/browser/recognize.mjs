// node recognize.mjs model.onnx clip.npy: one JSON object, as `toolkit predict model.onnx clip.npy --json` gives.
import { readFile } from 'node:fs/promises';
import * as ort from 'onnxruntime-web';
import { openModel, readNpy, recognize } from './sign_model.mjs';

const [modelFile, clipFile] = process.argv.slice(2);
ort.env.wasm.numThreads = 1;
const model = await openModel(ort, new Uint8Array(await readFile(modelFile)));
const top = await recognize(model, readNpy(new Uint8Array(await readFile(clipFile))));
console.log(JSON.stringify({ source: clipFile, gloss: top[0][0], score: top[0][1], top }));
