"""YAML as settings need it: mappings, lists and plain values; what makes a YAML file dangerous is refused.

No tags that build objects (as safe_load), no aliases, by which a few hundred bytes can stand for gigabytes, no
numbers too large to be written out, and no key given twice, of which all but the last would be lost unseen.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import yaml

PATHS = "write the backslashes of a Windows path as /, or use single quotes: 'C:\\new\\poses'"


class _PlainLoader(yaml.SafeLoader):
    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise ValueError("it uses an alias (*name); write the value out")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        mapping = super().construct_mapping(node, deep)
        if len(mapping) < len(node.value):
            names = Counter(str(getattr(key, "value", None)) for key, _ in node.value)
            twice = sorted(name for name, times in names.items() if times > 1)
            raise ValueError(f"a key is given twice: {', '.join(twice)[:60]}")
        return mapping

    def construct_text(self, node: yaml.ScalarNode) -> Any:
        text = self.construct_yaml_str(node)
        # as of "C:\\new", whose \\n is the end of a line
        if control := next((one for one in text if ord(one) < ord(" ")), ""):
            raise ValueError(f"a text holds {control!r}; {PATHS}")
        return text

    def construct_whole(self, node: yaml.ScalarNode) -> int:
        value: int = self.construct_yaml_int(node)
        if not -(2**63) <= value < 2**63:
            raise ValueError("a whole number has more than 64 bits")
        return value


_PlainLoader.add_constructor("tag:yaml.org,2002:int", _PlainLoader.construct_whole)
_PlainLoader.add_constructor("tag:yaml.org,2002:str", _PlainLoader.construct_text)


def load_yaml(text: str) -> Any:
    """The one document of a text.

    Raises:
        ValueError: it is not YAML, is nested too deeply, or uses tags, aliases or a key twice.
    """
    try:
        return yaml.load(text, Loader=_PlainLoader)  # noqa: S506 (a SafeLoader that allows less)
    except yaml.YAMLError as error:
        tab = ". Indent with spaces: YAML takes no tabs" if "'\\t'" in str(error) else ""
        escape = f". {PATHS}" if "unknown escape" in str(error) or "escape sequence" in str(error) else ""
        raise ValueError(f"{error}{tab}{escape}") from error
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    except (ArithmeticError, AttributeError, LookupError, TypeError) as error:
        # PyYAML's own constructors stumble over values such as "!!int ''", "!!float []" and impossible dates
        raise ValueError(f"a value cannot be read ({error})") from error
