//! What the README says to those who come from C.

use super::View;
use crate::emit::Output;

/// The section on C and C++.
pub(in crate::emit) fn section(output: &Output, name: &str) -> String {
    let view = View::of(output, name);
    let View { upper, .. } = &view;
    let declarations: String = view
        .sides()
        .map(|side| format!("static {} {}[{upper}_{}_LEN];\n", side.c_type(), side.parameter, side.upper))
        .collect();
    let arguments: Vec<&str> = view.sides().map(|side| side.parameter.as_str()).chain(["scratch"]).collect();
    let arguments = arguments.join(", ");
    let build = "cargo rustc --release --features c --crate-type staticlib --target-dir target";
    format!(
        "
## From C and C++

[include/{name}.h](include/{name}.h) has the sizes and says everything. `main.c`:

```c
#include <stdio.h>
#include \"{name}.h\"

{declarations}{upper}_ALIGNED static unsigned char scratch[{upper}_SCRATCH_BYTES];

int main(void) {{
    int error = {name}_infer({arguments});
    printf(\"%d\\n\", error);
    return error;
}}
```

In this folder, with `main.c` anywhere:

```sh
{build}
gcc -O2 -Iinclude main.c target/release/lib{name}.a -o program
```

The library needs `memcpy`, `memset` and their like, and nothing else; it holds no memory of its own that is ever written but the number \
of the instruction set that it found. Several of them fit into one program. C++ is the same with `g++`.

A `Makefile` beside this folder:

```make
NET = {name}
LIBRARY = $(NET)/target/release/lib{name}.a

program: main.c $(LIBRARY)
	$(CC) -O2 -I$(NET)/include main.c $(LIBRARY) -o $@

$(LIBRARY): $(NET)/Cargo.toml $(wildcard $(NET)/src/*)
	cd $(NET) && {build}
	touch $@
```

`CMakeLists.txt` beside this folder:

```cmake
cmake_minimum_required(VERSION 3.13)
project(program C)
set(NET ${{CMAKE_CURRENT_SOURCE_DIR}}/{name})
set(LIBRARY ${{NET}}/target/release/lib{name}.a)
add_custom_command(
    OUTPUT ${{LIBRARY}}
    COMMAND {build}
    COMMAND ${{CMAKE_COMMAND}} -E touch ${{LIBRARY}}
    WORKING_DIRECTORY ${{NET}}
    DEPENDS ${{NET}}/Cargo.toml ${{NET}}/src/network.rs ${{NET}}/src/{name}.weights
    VERBATIM)
add_custom_target({name}_library DEPENDS ${{LIBRARY}})
add_library({name} STATIC IMPORTED)
set_target_properties({name} PROPERTIES
    IMPORTED_LOCATION ${{LIBRARY}}
    INTERFACE_INCLUDE_DIRECTORIES ${{NET}}/include)
add_dependencies({name} {name}_library)

add_executable(program main.c)
target_link_libraries(program PRIVATE {name})
```

A microcontroller takes the same library for its target (`rustup target add thumbv7em-none-eabihf`); `board.ld` and the start-up code are \
your board's:

```sh
{build} --target thumbv7em-none-eabihf
arm-none-eabi-gcc -O2 -mcpu=cortex-m4 -mthumb -mfloat-abi=hard -mfpu=fpv4-sp-d16 -Iinclude -T board.ld main.c \\
    target/thumbv7em-none-eabihf/release/lib{name}.a -o program.elf
```

Where there is a system, a shared library, with Rust's standard library inside:

```sh
cargo rustc --release --features c,std --crate-type cdylib --target-dir target
gcc -O2 -Iinclude main.c -Ltarget/release -l{name} -Wl,-rpath,$PWD/target/release -o program
```
"
    )
}
