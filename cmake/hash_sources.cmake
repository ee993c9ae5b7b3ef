# cmake -DOUT=file.inc -DNAME=kName -DFILES=a;b -P hash_sources.cmake: one constant that changes whenever a file does.
set(all "")
foreach(file IN LISTS FILES)
  file(SHA256 ${file} hash)
  string(APPEND all ${hash})
endforeach()
string(SHA256 hash "${all}")
string(SUBSTRING ${hash} 0 32 hash)
file(WRITE ${OUT} "constexpr const char* ${NAME} = \"${hash}\";\n")
