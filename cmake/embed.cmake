# hearth_embed(TARGET NAME ROOT FILES...): puts files into the program's read-only data, and makes a table of them:
#   extern const hearth::EmbeddedFile hearth_embedded_NAME[];  extern const size_t hearth_embedded_NAME_count;
function(hearth_embed target name root)
  set(assembly ".section .rodata\n")
  set(externs "")
  set(rows "")
  set(index 0)
  set(paths "")
  foreach(file IN LISTS ARGN)
    set(symbol "hearth_embedded_${name}_${index}")
    string(APPEND assembly ".balign 64\n.globl ${symbol}\n${symbol}:\n.incbin \"${root}/${file}\"\n.globl ${symbol}_end\n${symbol}_end:\n")
    string(APPEND externs "extern const char ${symbol}[], ${symbol}_end[];\n")
    string(APPEND rows "    {\"${file}\", ${symbol}, ${symbol}_end},\n")
    list(APPEND paths ${root}/${file})
    math(EXPR index "${index} + 1")
  endforeach()
  string(APPEND assembly ".section .note.GNU-stack,\"\",%progbits\n")
  set(base ${CMAKE_CURRENT_BINARY_DIR}/embedded_${name})
  file(CONFIGURE OUTPUT ${base}.S CONTENT "${assembly}" @ONLY)
  file(CONFIGURE OUTPUT ${base}.cpp CONTENT
"// Made by cmake/embed.cmake.
#include \"base/embedded.h\"

extern \"C\" {
${externs}}
namespace hearth {
extern const EmbeddedFile embedded_${name}[];
extern const std::size_t embedded_${name}_count;
const EmbeddedFile embedded_${name}[] = {
${rows}};
const std::size_t embedded_${name}_count = ${index};
}
" @ONLY)
  set_source_files_properties(${base}.S PROPERTIES OBJECT_DEPENDS "${paths}")
  target_sources(${target} PRIVATE ${base}.S ${base}.cpp)
endfunction()
