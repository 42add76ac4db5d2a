#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Every shell script passes shellcheck, together with what it sources.

# shellcheck source=tests/static/lib.sh
. "$(dirname "$0")/lib.sh"

check() {
	need shellcheck
	shell_files | xargs -r shellcheck -x -f gcc -P SCRIPTDIR -P .
}

# shellcheck disable=SC2016 # the samples are not to be expanded
good() {
	printf '#!/bin/bash\necho "$1"\n' >"$1/sample"
}

# shellcheck disable=SC2016
bad() {
	printf '#!/bin/bash\necho $1\n' >"$1/sample"
}

static_main "$@"
