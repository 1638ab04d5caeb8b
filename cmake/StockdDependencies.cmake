# SPDX-License-Identifier: Apache-2.0
# The system's libraries, as targets. scripts/install-dependencies.sh installs them on Debian 12.

find_package(PkgConfig REQUIRED)
set(THREADS_PREFER_PTHREAD_FLAG ON)
find_package(Threads REQUIRED)

pkg_check_modules(msgpack REQUIRED IMPORTED_TARGET msgpack)
pkg_check_modules(uring REQUIRED IMPORTED_TARGET liburing>=2.3)
pkg_check_modules(inih REQUIRED IMPORTED_TARGET inih)
pkg_check_modules(hiredis REQUIRED IMPORTED_TARGET hiredis)
pkg_check_modules(glib REQUIRED IMPORTED_TARGET glib-2.0>=2.68) # g_time_zone_new_identifier
pkg_check_modules(edit REQUIRED IMPORTED_TARGET libedit>=3.1)
pkg_check_modules(jansson REQUIRED IMPORTED_TARGET jansson)
pkg_check_modules(openssl REQUIRED IMPORTED_TARGET openssl>=3.0)
pkg_check_modules(nghttp2 REQUIRED IMPORTED_TARGET libnghttp2)
pkg_check_modules(microhttpd REQUIRED IMPORTED_TARGET libmicrohttpd)
pkg_check_modules(seccomp REQUIRED IMPORTED_TARGET libseccomp>=2.5)
pkg_check_modules(zstd REQUIRED IMPORTED_TARGET libzstd)
pkg_check_modules(xxhash REQUIRED libxxhash) # header only: XXH_INLINE_ALL

# libcsv has no pkg-config file
find_path(CSV_INCLUDE_DIR csv.h REQUIRED)
find_library(CSV_LIBRARY csv REQUIRED)

# Only the unit tests need Criterion, and it aborts under ThreadSanitizer (Snaipe/Criterion#274).
if(STOCKD_TESTS)
  pkg_check_modules(criterion IMPORTED_TARGET criterion)
endif()
