# SPDX-License-Identifier: Apache-2.0
# How a folder becomes a library, a program or a test.
#
# Includes are written from the repository root ("engine/store/pool.h"), and yet a target sees only the
# folders it was given: each folder is reached through a directory that holds nothing but a symbolic
# link to it. A wrong arrow does not compile.

# stockd_see(TARGET SCOPE FOLDER...): lets TARGET include "FOLDER/...".
function(stockd_see target scope)
  foreach(folder IN LISTS ARGN)
    string(REPLACE "/" "-" name "${folder}")
    set(root "${PROJECT_BINARY_DIR}/roots/${name}")
    cmake_path(GET folder PARENT_PATH parent)
    file(MAKE_DIRECTORY "${root}/${parent}")
    file(CREATE_LINK "${PROJECT_SOURCE_DIR}/${folder}" "${root}/${folder}" SYMBOLIC)
    target_include_directories(${target} ${scope} "${root}")
    target_compile_options(${target} ${scope} "-fmacro-prefix-map=${root}/=")
  endforeach()
endfunction()

# stockd_library(TARGET FOLDER LIBS...): a static library of FOLDER/*.c; what it links is public, as
# are its headers.
function(stockd_library target folder)
  file(GLOB sources ${STOCKD_GLOB} "${PROJECT_SOURCE_DIR}/${folder}/*.c")
  if(NOT sources)
    set(sources "${CMAKE_CURRENT_BINARY_DIR}/empty.c")
    file(CONFIGURE OUTPUT "${sources}" CONTENT "typedef int stockd_nothing_here_yet;\n")
  endif()
  add_library(${target} STATIC ${sources})
  string(REGEX MATCH "^[^/]+" top "${folder}")
  stockd_see(${target} PUBLIC ${top})
  target_link_libraries(${target} PUBLIC ${ARGN})
endfunction()

# stockd_room(NAME ROOMS...): the part engine/NAME of the engine, which sees and links the rooms that
# it names, and those that they see.
function(stockd_room room)
  file(GLOB sources ${STOCKD_GLOB} "${PROJECT_SOURCE_DIR}/engine/${room}/*.c")
  add_library(stockd_engine_${room} STATIC ${sources})
  stockd_see(stockd_engine_${room} PUBLIC engine/${room})
  foreach(below IN LISTS ARGN)
    target_link_libraries(stockd_engine_${room} PUBLIC stockd_engine_${below})
  endforeach()
  target_link_libraries(stockd_engine INTERFACE stockd_engine_${room})
endfunction()

# stockd_program(NAME LIBS...): a program of tools/NAME/*.c and its folders, in bin/, installed.
function(stockd_program name)
  file(GLOB_RECURSE sources ${STOCKD_GLOB} "${PROJECT_SOURCE_DIR}/tools/${name}/*.c")
  if(NOT sources)
    return()
  endif()
  add_executable(${name} ${sources})
  stockd_see(${name} PRIVATE tools)
  target_link_libraries(${name} PRIVATE ${ARGN})
  add_dependencies(programs ${name})
  install(TARGETS ${name} RUNTIME)
endfunction()
