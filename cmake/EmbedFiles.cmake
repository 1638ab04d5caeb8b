# SPDX-License-Identifier: Apache-2.0
# cmake -D FOLDER=dir -D OUTPUT=file.c -P EmbedFiles.cmake
# Writes the table of tools/gateway/assets.h: every file of the folder, with its media type and a hash.
set(types html "text/html" css "text/css" js "text/javascript" svg "image/svg+xml")

file(GLOB_RECURSE names RELATIVE "${FOLDER}" "${FOLDER}/*")
set(text "/* Written by cmake/EmbedFiles.cmake. */\n#include \"tools/gateway/assets.h\"\n")
set(table "")
set(count 0)
foreach(name IN LISTS names)
  cmake_path(GET name EXTENSION LAST_ONLY extension)
  string(SUBSTRING "${extension}" 1 -1 extension)
  list(FIND types "${extension}" at)
  if(at EQUAL -1)
    continue()
  endif()
  math(EXPR at "${at} + 1")
  list(GET types ${at} type)
  file(READ "${FOLDER}/${name}" bytes HEX)
  file(SHA256 "${FOLDER}/${name}" hash)
  string(SUBSTRING "${hash}" 0 16 hash)
  string(REGEX REPLACE "(..)" "0x\\1," bytes "${bytes}")
  string(APPEND text "static const unsigned char file_${count}[] = {${bytes}};\n")
  string(APPEND table "    {\"${name}\", \"${type}" [[; charset=utf-8", ]]
         "\"\\\"${hash}\\\"\", file_${count}, sizeof file_${count}},\n")
  math(EXPR count "${count} + 1")
endforeach()
string(APPEND text "const struct asset embedded_assets[] = {\n${table}};\n"
       "const unsigned embedded_asset_count = ${count};\n")
file(WRITE "${OUTPUT}" "${text}")
