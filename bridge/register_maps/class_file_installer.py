"""The installer of a class file on a GX: one shell script that carries the file.

A firmware update replaces the root file system and keeps /data, where `rc.local` runs at every start (Venus
OS, root access). So the script keeps itself and the file below /data, and applies them at each start.
"""

from bridge.register_maps.class_file import module_name
from bridge.register_maps.format import RegisterMap

#: Ends the class file within the script; no line of Python is like it.
_END = "END_OF_CLASS_FILE"

#: `@NAME@` and `@VERSION@` are filled in. POSIX sh, and what BusyBox has of sed, grep and awk.
_HEAD = r"""#!/bin/sh
# SPDX-License-Identifier: 0BSD
# Installs the device class @NAME@.py for dbus-modbus-client on a Victron GX (Venus OS) with root access,
# or takes it away again. Made by inverter-bridge @VERSION@.
#
#   sh install_@NAME@.sh             install, and again after every firmware update
#   sh install_@NAME@.sh uninstall   take everything away
#
# What is done: the file and this script are kept in /data/inverter-bridge; /data/rc.local runs the script at
# each start; dbus-modbus-client.py, kept as it was in /data/inverter-bridge, gets lines that import the file
# and go on without it when it fails. GX_ROOT may name another root directory, to try it out.
set -eu

NAME=@NAME@
ROOT="${GX_ROOT:-}"
KEEP="$ROOT/data/inverter-bridge"
RC="$ROOT/data/rc.local"
CLIENT="$ROOT/opt/victronenergy/dbus-modbus-client"
MAIN="$CLIENT/dbus-modbus-client.py"
STOCK="$KEEP/dbus-modbus-client.py.stock"
BEGIN="# inverter-bridge $NAME: begin"
FINISH="# inverter-bridge $NAME: end"
RC_LINE="sh /data/inverter-bridge/install_$NAME.sh apply # inverter-bridge $NAME"

COMPILE='import sys; compile(open(sys.argv[1]).read(), sys.argv[1], "exec")'

say() { echo "inverter-bridge: $*"; }
fail() { say "$*" >&2; exit 1; }

class_file() {
cat <<'@END@'
"""

_TAIL = r"""@END@
}

writable() {
    [ -n "$ROOT" ] || mount -o remount,rw / 2>/dev/null || true
    [ -w "$CLIENT" ] || fail "found $CLIENT not writable; expected a GX with root access"
}

restart() {
    [ -z "$ROOT" ] || return 0
    for service in /service/dbus-modbus-client*; do
        [ -d "$service" ] && svc -t "$service" || true
    done
}

# Writes the client without this class's lines to standard output.
without() {
    awk -v begin="$BEGIN" -v finish="$FINISH" '
        $0 == begin { inside = 1 }
        !inside { print }
        $0 == finish { inside = 0 }' "$MAIN"
}

# Puts standard input in the place of a file, with that file's rights. Its bytes are on the disk before it has
# the name: a power cut leaves the former file or this one.
replace() {
    cp -p "$1" "$1.new"
    cat > "$1.new"
    sync
    mv "$1.new" "$1"
}

apply() {
    [ -f "$MAIN" ] || fail "found no $MAIN; expected Venus OS with dbus-modbus-client"
    if grep -qxF "$BEGIN" "$MAIN" && class_file | cmp -s - "$CLIENT/$NAME.py"; then
        say "$NAME is in place"
        return 0
    fi
    writable
    mkdir -p "$KEEP"
    grep -q '^# inverter-bridge .*: begin$' "$MAIN" || cp -p "$MAIN" "$STOCK"
    class_file > "$CLIENT/$NAME.py.new"
    sync
    mv "$CLIENT/$NAME.py.new" "$CLIENT/$NAME.py"
    without > "$KEEP/client.new"
    last=$(grep -n '^import [A-Za-z_][A-Za-z0-9_]*$' "$KEEP/client.new" | tail -n 1 | cut -d: -f1)
    if [ -z "$last" ]; then
        rm -f "$KEEP/client.new" "$CLIENT/$NAME.py"
        fail "found no import in $MAIN; expected v1.83 or near it. Nothing was changed there"
    fi
    {
        head -n "$last" "$KEEP/client.new"
        echo "$BEGIN"
        echo "try:"
        echo "    import $NAME"
        echo "except BaseException as fault:"
        echo "    import logging"
        echo "    logging.getLogger().error('inverter-bridge: $NAME.py is left out: %r', fault)"
        echo "$FINISH"
        tail -n "+$((last + 1))" "$KEEP/client.new"
    } > "$KEEP/client.patched"
    rm -f "$KEEP/client.new"
    if command -v python3 >/dev/null 2>&1 && ! python3 -c "$COMPILE" "$KEEP/client.patched"; then
        rm -f "$KEEP/client.patched" "$CLIENT/$NAME.py"
        fail "found a client that the import would break; expected v1.83 or near it. Nothing was changed"
    fi
    replace "$MAIN" < "$KEEP/client.patched"
    rm -f "$KEEP/client.patched"
    say "$NAME is installed"
    restart
}

install() {
    [ -d "$ROOT/data" ] || fail "found no /data; expected a Victron GX (Venus OS)"
    [ -f "$MAIN" ] || fail "found no $MAIN; expected Venus OS with dbus-modbus-client"
    mkdir -p "$KEEP"
    # The script may be the very file that is kept.
    if ! cmp -s "$0" "$KEEP/install_$NAME.sh"; then
        cp "$0" "$KEEP/install_$NAME.sh.new"
        sync
        mv "$KEEP/install_$NAME.sh.new" "$KEEP/install_$NAME.sh"
    fi
    [ -f "$RC" ] || printf '#!/bin/sh\n' > "$RC"
    if ! grep -qxF "$RC_LINE" "$RC"; then
        # Right behind the first line: the file may end with an exit of its own.
        { head -n 1 "$RC"; echo "$RC_LINE"; tail -n +2 "$RC"; } > "$KEEP/rc.new"
        replace "$RC" < "$KEEP/rc.new"
        rm -f "$KEEP/rc.new"
    fi
    chmod +x "$RC"
    apply
}

uninstall() {
    if [ -f "$RC" ] && grep -qxF "$RC_LINE" "$RC"; then
        grep -vxF "$RC_LINE" "$RC" > "$KEEP/rc.new" || true
        replace "$RC" < "$KEEP/rc.new"
        rm -f "$KEEP/rc.new"
    fi
    if [ -f "$MAIN" ]; then
        writable
        if grep -qxF "$BEGIN" "$MAIN"; then
            without > "$KEEP/client.new"
            replace "$MAIN" < "$KEEP/client.new"
            rm -f "$KEEP/client.new"
        fi
        rm -f "$CLIENT/$NAME.py"
        if [ -f "$STOCK" ] && cmp -s "$MAIN" "$STOCK"; then rm -f "$STOCK"; fi
    fi
    rm -f "$KEEP/install_$NAME.sh"
    rmdir "$KEEP" 2>/dev/null || true
    say "$NAME is taken away"
    restart
}

case "${1:-install}" in
    install) install ;;
    apply) apply ;;
    uninstall) uninstall ;;
    *) fail "found '$1'; expected install, apply or uninstall" ;;
esac
"""


def install_script(loaded: RegisterMap, text: str, version: str) -> str:
    """Return the script that installs a class file of this `text`; `version` is the generator's."""
    if _END in text.splitlines():
        raise ValueError(f"found the line {_END} in a class file, expected none")
    marks = (("@NAME@", module_name(loaded)), ("@VERSION@", version), ("@END@", _END))
    head, tail = _HEAD, _TAIL
    for mark, filling in marks:
        head, tail = head.replace(mark, filling), tail.replace(mark, filling)
    return f"{head}{text.rstrip()}\n{tail}"
