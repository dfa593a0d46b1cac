//! What the README says to those who come from the web.

use super::module::literal;
use crate::emit::Output;
use crate::emit::c::View;

/// The section on JavaScript.
pub(in crate::emit) fn section(output: &Output, name: &str) -> String {
    let view = View::of(output, name);
    let call = match (&view.inputs[..], &view.outputs[..]) {
        ([input], _) => format!("new Float32Array({})", input.len),
        (several, _) => {
            let fields: Vec<String> = several
                .iter()
                .map(|side| {
                    let array = side.array();
                    format!("{}: new {array}({})", literal(&side.name), side.len)
                })
                .collect();
            format!("{{ {} }}", fields.join(", "))
        }
    };
    let shown = match &view.outputs[..] {
        [_] => format!("net.infer({call}).join(\", \")"),
        _ => format!("Object.entries(net.infer({call})).join(\"; \")"),
    };
    format!(
        "
## On the web

In this folder, once rustc has the target (`rustup target add wasm32-unknown-unknown`):

```sh
rustc @web/simd128
rustc @web/relaxed-simd
```

`web/` is then all that a page needs: [web/{name}.js](web/{name}.js), a module with its types beside it, and two files of WebAssembly, of \
which it loads the one that the engine runs best. `web/index.html`:

```html
<script type=\"module\">
  import {{ load }} from \"./{name}.js\";
  const net = await load();
  document.body.append({shown});
</script>
```

Any server of files will do (`python3 -m http.server -d web`); no bundler is needed, and one that knows `new URL(\"...\", import.meta.url)` \
finds the files. In Node.js the same module loads them from the disk. Several networks fit into one page, each in memory of its own; an \
inference allocates nothing but its answer (`inferInto` not even that).
"
    )
}
