# SPDX-License-Identifier: Apache-2.0
# How everything is compiled: the language, the warnings, the sanitizers, where output goes.

option(STOCKD_WERROR "Treat warnings as errors" ON)
option(STOCKD_TESTS "Build the tests" ON)
option(STOCKD_WATCH_FOLDERS "Look for new source files at each build; make configures instead" ON)
option(STOCKD_COVERAGE "Count executed lines with gcov" OFF)
set(STOCKD_SANITIZE "" CACHE STRING "A -fsanitize= list, e.g. address,undefined")

# What a file(GLOB ...) of sources is given.
set(STOCKD_GLOB "")
if(STOCKD_WATCH_FOLDERS)
  set(STOCKD_GLOB CONFIGURE_DEPENDS)
endif()

if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE RelWithDebInfo CACHE STRING "Debug or RelWithDebInfo" FORCE)
endif()

set(CMAKE_C_STANDARD 17)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS ON) # -std=gnu17
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/bin")
set(CMAKE_LIBRARY_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/lib")
set(CMAKE_ARCHIVE_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/lib")

# Asserts stay on in what is shipped: an engine that has lost count must stop.
foreach(config RELEASE RELWITHDEBINFO MINSIZEREL)
  string(REPLACE "-DNDEBUG" "" CMAKE_C_FLAGS_${config} "${CMAKE_C_FLAGS_${config}}")
endforeach()

# Empty, so that a file that defines _GNU_SOURCE itself (empty too) is not a redefinition.
add_compile_definitions("_GNU_SOURCE=")

# __FILE__ is written from the repository root: "engine/store/pool.c".
add_compile_options("-fmacro-prefix-map=${PROJECT_SOURCE_DIR}/=")

add_compile_options(
  -Wall -Wextra
  -Wshadow -Wconversion -Wno-sign-conversion
  -Wstrict-prototypes -Wmissing-prototypes
  -Wvla -Wundef -Wformat=2 -Wpointer-arith -Wwrite-strings -Wimplicit-fallthrough)
if(CMAKE_C_COMPILER_ID STREQUAL "GNU")
  add_compile_options(-Wcast-align)
endif()
# Link-time optimisation is for programs; a hundred tests link in a second each without it.
if(CMAKE_INTERPROCEDURAL_OPTIMIZATION AND CMAKE_C_COMPILER_ID STREQUAL "GNU")
  set(CMAKE_C_COMPILE_OPTIONS_IPO -flto=auto -ffat-lto-objects)
endif()
if(STOCKD_WERROR)
  add_compile_options(-Werror)
endif()

if(STOCKD_SANITIZE)
  add_compile_options("-fsanitize=${STOCKD_SANITIZE}" -fno-sanitize-recover=all
                      -fno-omit-frame-pointer)
  add_link_options("-fsanitize=${STOCKD_SANITIZE}")
endif()
if(STOCKD_COVERAGE)
  add_compile_options(--coverage)
  add_link_options(--coverage)
endif()
