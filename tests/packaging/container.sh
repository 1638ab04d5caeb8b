#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# container.sh BUILD_DIR: see container.py.
exec "$(dirname "$0")/container.py" "$1"
