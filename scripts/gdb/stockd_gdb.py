# SPDX-License-Identifier: Apache-2.0
"""gdb printers for the engine's packed words, ids, texts and records.

    gdb -x scripts/gdb/stockd_gdb.py build/debug/bin/stockd

    print *pool             item 3 at 1, allotted 2: on hand 10, reserved 4, available 6
    print *entry            reservation "o-1", held, busy, LSN 48 to 96
    print *head             reserve, 120 bytes, flags 0x1, client 2
    print $pool_word(word)  the same for a word that is only a number
    print $id_word(word)
    stockd-log LOG          the records that are published and not drained, with their LSNs

print/r shows the fields. Nothing here calls a function of the program, so all of it works on a core
file too. PRINTERS, at the end, says which type has which printer.
"""

import gdb

UNKNOWN = "?"


def bits(word, low, count):
    return word >> low & ((1 << count) - 1)


def enumerators(enum, prefix):
    """{number: name} of an enum of the program, names in lower case and without their prefix."""
    try:
        fields = gdb.lookup_type("enum " + enum).fields()
    except gdb.error:  # the program has no such type
        return {}
    return {field.enumval: field.name.removeprefix(prefix).lower() for field in fields}


def quoted(address, length):
    """`length` bytes of text as gdb would show a string."""
    data = bytes(gdb.selected_inferior().read_memory(address, length)) if length else b""
    return '"' + data.decode("utf-8", "backslashreplace").replace('"', '\\"') + '"'


def array_text(array, length):
    return quoted(int(array.address), min(length, array.type.sizeof))


# ---- words ----


def pool_word(word):
    """engine/store/pool.h: on_hand : 29 | reserved : 29 | undecided : 6"""
    on_hand, reserved, undecided = bits(word, 35, 29), bits(word, 6, 29), bits(word, 0, 6)
    text = f"on hand {on_hand}, reserved {reserved}, available {on_hand - reserved}"
    return text + (f", undecided {undecided}" if undecided else "")


def owner(word):
    """engine/store/pool.h: kind above bit 13, channel below it"""
    kind, channel = bits(word, 13, 3), bits(word, 0, 13)
    name = enumerators("pool_kind", "POOL_").get(kind, UNKNOWN)
    return f"{name} {channel}" if name == "allotted" else name


def pool_key(word):
    """engine/store/pool.h: item + 1 : 32 | location : 16 | owner : 16"""
    if word == 0:
        return "no pool"
    return f"item {bits(word, 32, 32) - 1} at {bits(word, 16, 16)}, {owner(bits(word, 0, 16))}"


def id_kind(word):
    return enumerators("entry_kind", "ENTRY_").get(bits(word, 16, 8), UNKNOWN)


def id_length(word):
    return bits(word, 24, 8)


def id_flags(word):
    """The parts of an id's word behind its kind: state, last step, busy."""
    state = enumerators("entry_state", "STATE_").get(bits(word, 8, 8), UNKNOWN)
    parts = [] if state == "none" else [state]
    if bits(word, 32, 8):
        parts.append("last " + record_name(bits(word, 32, 8)))
    if word & 0x80:
        parts.append("busy")
    return parts


def id_word(word):
    """engine/store/id_table.h: last step 8 | id length 8 | kind 8 | state 8 | busy 8"""
    return ", ".join([id_kind(word), *id_flags(word), f"id of {id_length(word)} bytes"])


def record_name(number):
    """As engine/log/record.def has it, if the program has its table; else as the enum has it."""
    symbol = gdb.lookup_static_symbol("layouts")
    try:
        if symbol and number <= symbol.type.range()[1]:
            return symbol.value()[number]["name"].string()
    except gdb.error:  # a program that does not run yet, or an unknown number
        pass
    return enumerators("record_type", "RECORD_").get(number, f"type {number}")


# ---- structs ----


def show_pool(pool):
    key = int(pool["key"])
    return pool_key(key) + (": " + pool_word(int(pool["word"])) if key else "")


def show_entry(entry):
    word = int(entry["state"])
    kind = id_kind(word)
    if kind in ("free", "draws"):
        return kind
    name = array_text(entry["id"], id_length(word))
    lsns = f"LSN {int(entry['lsn_first'])} to {int(entry['lsn_last'])}"
    return ", ".join([f"{kind} {name}", *id_flags(word), lsns])


def show_text(text):
    address = int(text["at"])
    return quoted(address, int(text["len"])) if address else "absent"


def show_short_text(text):
    return array_text(text["at"], int(text["len"]))


def show_record_head(head):
    length = int(head["length"])
    if length == 0:
        return "not published"
    text = f"{record_name(int(head['type']))}, {length} bytes"
    text += f", flags {int(head['flags']):#x}" if int(head["flags"]) else ""
    return text + (f", client {int(head['client'])}" if int(head["client"]) else "")


# ---- commands and functions ----


class LogCommand(gdb.Command):
    """stockd-log LOG: the records of a struct log that are published and not drained yet."""

    def __init__(self):
        super().__init__("stockd-log", gdb.COMMAND_DATA, gdb.COMPLETE_EXPRESSION)

    def invoke(self, argument, _from_tty):
        log = gdb.parse_and_eval(argument)
        if log.type.strip_typedefs().code == gdb.TYPE_CODE_PTR:
            log = log.dereference()
        head = gdb.lookup_type("struct record_head").pointer()
        position, tail = int(log["head"]), int(log["tail"])
        ring, capacity = int(log["bytes"]), int(log["capacity"])
        while position < tail:
            record = gdb.Value(ring + position % capacity).cast(head).dereference()
            length = int(record["length"])
            print(f"LSN {position + length}: {show_record_head(record)}"
                  if length else f"at {position}: claimed, not published")
            if length == 0:
                break
            position += length


class WordFunction(gdb.Function):
    """$pool_word(WORD), $id_word(WORD): what the word says."""

    def __init__(self, show):
        super().__init__(show.__name__)
        self.show = show

    def invoke(self, word):
        return self.show(int(word))


class Printer:
    def __init__(self, value, show):
        self.value = value
        self.show = show

    def to_string(self):
        return self.show(self.value)


PRINTERS = {  # struct tag of the program: what shows it
    "pool": show_pool,
    "id_entry": show_entry,
    "text": show_text,
    "code_text": show_short_text,
    "name_text": show_short_text,
    "record_head": show_record_head,
}


def find_printer(value):
    show = PRINTERS.get(value.type.strip_typedefs().unqualified().tag)
    return Printer(value, show) if show else None


LogCommand()
WordFunction(pool_word)
WordFunction(id_word)
gdb.pretty_printers.append(find_printer)
