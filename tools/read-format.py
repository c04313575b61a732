#!/usr/bin/env python3
"""Reads a Needletail database from FORMAT.md alone: no LMDB, no Needletail, no other module.

    tools/read-format.py FILE [--vectors]     one JSON object a line: the file, each table, its indexes, its records

Section numbers in the comments are those of FORMAT.md. Damage ends the program with a message and status 65.
"""
import argparse
import base64
import json
import os
import struct
import sys


class Damage(Exception):
    pass


def need(condition, message):
    if not condition:
        raise Damage(message)


# --- CRC-32C (section 1) ---

def make_crc_table():
    table = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
        table.append(crc)
    return table


CRC_TABLE = make_crc_table()


def crc32c(*parts):
    crc = 0xFFFFFFFF
    for part in parts:
        for byte in part:
            crc = crc >> 8 ^ CRC_TABLE[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


# --- LMDB's container (section 2) ---

class Container:
    def __init__(self, path):
        with open(path, "rb") as file:
            self.bytes = file.read()
        need(len(self.bytes) >= 152, "the file is too short")
        need(struct.unpack_from("<I", self.bytes, 16)[0] == 0xBEEFC0DE, "the file is not LMDB's")
        self.page_size = struct.unpack_from("<I", self.bytes, 40)[0]
        need(self.page_size in (4096, 8192, 16384, 32768, 65536), "the page size is impossible")
        metas = [meta for meta in (self.meta(0), self.meta(1)) if meta]
        need(metas, "no meta page is valid")
        self.transaction, self.root = max(metas)

    def meta(self, number):  # 2.2
        at = number * self.page_size
        if at + 152 > len(self.bytes):
            return None
        magic, version = struct.unpack_from("<II", self.bytes, at + 16)
        if magic != 0xBEEFC0DE or version != 1:
            return None
        return struct.unpack_from("<Q", self.bytes, at + 144)[0], struct.unpack_from("<Q", self.bytes, at + 88 + 40)[0]

    def page(self, number):
        need((number + 1) * self.page_size <= len(self.bytes), f"page {number} lies beyond the end of the file")
        return number * self.page_size

    def items(self, root, depth=0):  # 2.4
        """Key, data and flags of all entries, in key order."""
        if root == 0xFFFFFFFFFFFFFFFF:
            return
        need(depth < 32, "a tree is too deep")
        at = self.page(root)
        flags, lower = struct.unpack_from("<HH", self.bytes, at + 10)
        need(flags & 3, f"page {root} is neither branch nor leaf")
        for i in range((lower - 16) // 2):
            node = at + struct.unpack_from("<H", self.bytes, at + 16 + 2 * i)[0]
            low, high, node_flags, key_size = struct.unpack_from("<HHHH", self.bytes, node)
            if flags & 1:
                yield from self.items(low | high << 16 | node_flags << 32, depth + 1)
                continue
            key = self.bytes[node + 8:node + 8 + key_size]
            size, start = low | high << 16, node + 8 + key_size
            if node_flags & 1:
                first = struct.unpack_from("<Q", self.bytes, start)[0]
                start = self.page(first) + 16
            need(start + size <= len(self.bytes), "a value lies beyond the end of the file")
            yield key, self.bytes[start:start + size], node_flags

    def named(self):  # section 3
        databases = {}
        for key, data, flags in self.items(self.root):
            if flags & 2:
                databases[key.decode()] = struct.unpack_from("<Q", data, 40)[0]
        return databases


# --- Needletail ---

WIDTHS = {1: 1, 2: 8, 3: 8, 4: 8, 5: 4, 6: 8}
BOOL, INT, DOUBLE, TIMESTAMP, STRING, LIST = range(1, 7)


def bit(data, i):
    return data[i // 8] >> (i % 8) & 1


def chunk_header(key, value, kind):  # section 7
    need(len(value) >= 48 and value[:4] == b"NTCK" and value[4] == 1 and value[5] == kind, f"chunk {key.hex()} has no valid header")
    count, nulls, checksum = struct.unpack_from("<III", value, 8)
    need(checksum == crc32c(key, value[:16], value[20:]), f"chunk {key.hex()} has a wrong checksum")
    return count, nulls


def unpack_values(kind, data, offset, count):
    return list(struct.unpack_from("<%d%s" % (count, {1: "B", 2: "q", 3: "d", 4: "q", 5: "I", 6: "Q"}[kind]), data, offset))


class Database:
    def __init__(self, path):
        container = Container(path)
        roots = container.named()
        need("meta" in roots, "the file is not Needletail's")
        self.data = {name: {key: value for key, value, _ in container.items(root)} for name, root in roots.items()}
        stamp = self.data["meta"].get(b"format", b"")
        need(len(stamp) >= 16 and stamp[:12] == b"Needletail\0\0", "the file is not Needletail's")
        self.version = struct.unpack_from("<I", stamp, 12)[0]
        need(self.version in (1, 2), f"format version {self.version} is not known here")
        for name in ("catalog", "chunks", "tails", "ids", "records", "dictionary"):
            need(name in self.data, f"the database '{name}' is missing")
        self.uuid = self.data["meta"][b"uuid"].hex()
        self.tables = [Table(self, json.loads(value)) for key, value in self.data["catalog"].items() if key[:1] == b"t"]

    def chunks(self, array):
        prefix = struct.pack(">I", array)
        found = sorted((key, value) for key, value in self.data["chunks"].items() if key[:4] == prefix)
        return [(struct.unpack(">I", key[4:])[0], key, value) for key, value in found]


class Index:
    def __init__(self, table, key, description):  # 5.4
        self.description = description
        need(key[5:].decode() == description["name"], "an index has another name than its key")
        need(0 <= description["coveredCount"] <= table.slots, "an index covers slots that are not there")
        self.parameters = base64.b64decode(description["parameters"])
        self.arrays = [self.read_array(table.database, array) for array in description["arrays"]]
        if description["kind"] == "hnsw":
            self.parameters = json.loads(self.parameters)
            self.check_links()

    def read_array(self, database, array):  # 7.5
        stride, count, shift = array["stride"], array["count"], array["shift"]
        need(shift == max(0, (1048576 // stride).bit_length() - 1), "an index array has chunks of another size")
        rows = []
        for number, key, value in database.chunks(array["id"]):
            here, _ = chunk_header(key, value, 6)
            need(number << shift == len(rows) and here == min(1 << shift, count - len(rows)) > 0, "a chunk of an index is missing or surplus")
            need(len(value) >= 48 + here * stride, "a chunk of an index is too short")
            need(struct.unpack_from("<Q", value, 24)[0] <= self.description["version"], "a chunk is newer than its index")
            rows += [value[48 + i * stride:48 + (i + 1) * stride] for i in range(here)]
        need(len(rows) == count, "chunks of an index are missing")
        return rows

    def neighbors(self, row, degree):  # 7.6
        entries = struct.unpack_from("<%dI" % degree, row)
        return entries[:entries.index(0xFFFFFFFF)] if 0xFFFFFFFF in entries else entries

    def check_links(self):
        """Every entry of every list leads to a node."""
        header, covered = self.parameters, self.description["coveredCount"]
        need(header["count"] == covered, "a graph covers another number of slots than its index")
        links, nodes, upper_links = self.arrays[:3]
        need(len(links) in (0, covered), "a graph has not one list a slot")
        links = self.current(links, 8)
        self.link_count = 0
        for row in links:
            found = self.neighbors(row, 2 * header["m"])
            need(all(slot < covered for slot in found), "a link leads to a slot that the graph does not cover")
            self.link_count += len(found)
        need(len(nodes) == header["upperCount"], "upper nodes are missing")
        for row in nodes:
            slot, first, level, _ = struct.unpack("<4I", row)
            need(slot < covered and 1 <= level <= header["maxLevel"] and first + level <= len(upper_links), "an upper node is malformed")
        for row in upper_links:
            need(all(number < len(nodes) for number in self.neighbors(row, header["m"])), "an upper link leads nowhere")
        self.check_blocks(links, header)
        need(header.get("entrySlot", 0) < max(covered, 1), "the entry point is not a node")

    def current(self, rows, changed):
        """Rows of all nodes, those that have changed in place of what stands for them."""
        if len(self.arrays) <= changed or not self.arrays[7]:
            return rows
        rows, place = list(rows), 0
        need(len(self.arrays[7]) == -(-len(rows) // 64), "the changes are not those of all nodes")
        for number, word in enumerate(self.arrays[7]):
            bits, before, _ = struct.unpack("<QII", word)
            need(before == place, "the changes count other nodes than they name")
            for i in range(64):
                if bits >> i & 1:
                    need(64 * number + i < len(rows) and place < len(self.arrays[changed]), "a row that has changed is missing")
                    rows[64 * number + i] = self.arrays[changed][place]
                    place += 1
        need(place == len(self.arrays[changed]), "rows that have changed are surplus")
        return rows

    def check_blocks(self, links, header):
        """Neighbour blocks name the neighbours that the lists name, and are infinitely far where there is none."""
        blocks = self.arrays[4]
        need(len(blocks) == (len(links) if header["quantization"] == "rabitq" else 0), "neighbour blocks are missing or surplus")
        blocks = self.current(blocks, 9) if blocks else blocks
        size = 256 + 4 * -(-header["dimension"] // 64) * 64
        need(not blocks or "neighborCodes" in header, "neighbour blocks without their rotation")
        for row, block in zip(links, blocks):
            found = self.neighbors(row, 2 * header["m"])
            need(len(block) == -(-2 * header["m"] // 32) * size, "a neighbour block has another size")
            slots, infinite = (), ()
            for group in range(0, len(block), size):
                slots += struct.unpack_from("<32I", block, group)
                infinite += tuple(word == 0x7F80 for word in struct.unpack_from("<32H", block, group + 128))
            need(slots[:len(found)] == found and all(slot == 0xFFFFFFFF for slot in slots[len(found):]), "a neighbour block has other neighbours than its list")
            need(not any(infinite[:len(found)]) and all(infinite[len(found):]), "a neighbour block counts other neighbours than it names")

    def line(self, table):
        line = {"table": table.description["name"], "index": self.description["name"], "kind": self.description["kind"],
                "covered": self.description["coveredCount"], "version": self.description["version"],
                "arrays": [{"stride": array["stride"], "count": array["count"]} for array in self.description["arrays"]]}
        if self.description["kind"] == "hnsw":
            line["links"] = self.link_count
        return line


class Table:
    def __init__(self, database, description):
        self.database = database
        self.description = description
        self.id = description["id"]
        self.types = [column["type"] for column in description["columns"]]
        need(all(kind in WIDTHS for kind in self.types), "a column type is not known here")
        number = struct.pack(">I", self.id)
        state = database.data["catalog"][b"s" + number] if database.version == 1 else database.data["tails"][number + b"\xff\xff\xff\xffs"]  # 5.2
        version, columns = struct.unpack_from("<II", state)
        need(version in (1, 2, 3) and columns == len(self.types), "the counters are malformed")
        is_open, first = struct.unpack_from("<Qq", state, 56) if version >= 2 else (0, 0)
        self.ordered = struct.unpack_from("<Q", state, 72 + 16 * columns)[0] if version == 3 else 0
        self.open_run = first if is_open else None
        self.slots, self.sealed, self.live, self.generation = struct.unpack_from("<4Q", state, 8)
        self.dictionaries = [self.dictionary(array) for array in description["columnArrays"]]
        self.codes = [{string: code for code, string in dictionary.items()} for dictionary in self.dictionaries]
        self.read_blocks()
        self.keys = self.read_column(description["keyArray"], INT, None)
        self.columns = [self.read_column(array, kind, i) for i, (array, kind) in enumerate(zip(description["columnArrays"], self.types))]
        self.read_tail()
        self.read_deleted()
        need(self.ordered <= self.sealed, "ordered indexes cover more than the sealed slots")
        for position, column in enumerate(description["columns"]):
            self.check_order(position, column["indexed"] and column["type"] != LIST)
        prefix = b"x" + number
        self.indexes = [Index(self, key, json.loads(value)) for key, value in database.data["catalog"].items() if key[:5] == prefix]

    def dictionary(self, array):  # section 11
        prefix = struct.pack(">IB", array, 1)
        return {struct.unpack(">I", key[5:])[0]: value.decode()
                for key, value in self.database.data["dictionary"].items() if key[:5] == prefix}

    def read_blocks(self):  # 7.1
        self.vectors, self.norms = [], []
        rows, size = self.description["blockRows"], self.description["vectorByteCount"]
        for number, key, value in self.database.chunks(self.description["vectorArray"]):
            count, _ = chunk_header(key, value, 1)
            need(count == rows and number * rows == len(self.vectors) and len(value) == 48 + rows * (size + 4), "a block is malformed")
            self.vectors += [value[48 + i * size:48 + (i + 1) * size] for i in range(rows)]
            self.norms += struct.unpack_from("<%df" % rows, value, 48 + rows * size)
        need(len(self.vectors) == self.sealed, "blocks are missing")

    def read_column(self, array, kind, position):  # 7.2
        capacity = max(65536 // WIDTHS[kind], self.description["blockRows"])
        values = []
        lists = self.list_values(self.description["listArrays"][position]) if kind == LIST else None
        for number, key, value in self.database.chunks(array):
            count, nulls = chunk_header(key, value, 2)
            need(number * capacity == len(values), "a column chunk is missing")
            raw = unpack_values(kind, value, 48 + capacity // 8, count)
            present = [bit(value[48:48 + capacity // 8], i) for i in range(count)]
            need(present.count(0) == nulls, "a column chunk counts its nulls wrongly")
            for is_present, element in zip(present, raw):
                if not is_present:
                    values.append(None)
                elif kind == LIST:
                    start, length = element >> 24, element & 0xFFFFFF
                    values.append(self.decode(kind, position, [lists[start + i] for i in range(length)]))
                else:
                    values.append(self.decode(kind, position, element))
        need(len(values) == self.sealed, "a column has not as many rows as there are blocks")
        return values

    def list_values(self, array):  # 7.3
        values = {}
        for number, key, value in self.database.chunks(array):
            count, _ = chunk_header(key, value, 4)
            values.update(enumerate(struct.unpack_from("<%dI" % count, value, 48), number * 16384))
        return values

    def decode(self, kind, position, raw):
        if kind == BOOL:
            return bool(raw)
        if kind == STRING:
            return self.dictionaries[position][raw]
        if kind == LIST:
            return [self.dictionaries[position][code] for code in raw]
        return raw

    def read_tail(self):  # section 8
        prefix = struct.pack(">I", self.id)
        size = self.description["vectorByteCount"]
        for key, value in sorted((key, value) for key, value in self.database.data["tails"].items()
                                 if key[:4] == prefix and len(key) == 8):
            need(struct.unpack(">I", key[4:])[0] == len(self.vectors), "the tail has a gap")
            n, _ = chunk_header(key, value, 5)
            at = 48
            self.norms += struct.unpack_from("<%df" % n, value, at)
            at += 4 * n
            self.vectors += [value[at + i * size:at + (i + 1) * size] for i in range(n)]
            at += size * n
            for position, kind in [(None, INT)] + list(enumerate(self.types)):
                valid = value[at:at + (n + 7) // 8]
                at += len(valid)
                if kind == LIST:
                    lengths = struct.unpack_from("<%dI" % n, value, at)
                    total = struct.unpack_from("<I", value, at + 4 * n)[0]
                    codes = struct.unpack_from("<%dI" % total, value, at + 4 * n + 4)
                    at += 4 * n + 4 + 4 * total
                    raw, start = [], 0
                    for length in lengths:
                        raw.append(codes[start:start + length])
                        start += length
                else:
                    raw = unpack_values(kind, value, at, n)
                    at += WIDTHS[kind] * n
                values = [self.decode(kind, position, element) if bit(valid, i) else None for i, element in enumerate(raw)]
                (self.keys if position is None else self.columns[position]).extend(values)
            need(at == len(value), "a tail segment has surplus bytes")
        need(len(self.vectors) == self.slots, "the tail is not complete")

    def read_deleted(self):  # 7.4
        self.deleted = set()
        for number, key, value in self.database.chunks(self.description["deletedArray"]):
            count, _ = chunk_header(key, value, 3)
            bits = [number * 524288 + i for i in range((len(value) - 48) * 8) if bit(value[48:], i)] if count else []
            need(len(bits) == count, "the deletion bitmap counts wrongly")
            self.deleted.update(bits)
        need(self.slots - len(self.deleted) == self.live, "the number of live records is wrong")

    def number(self, position, value):  # 11.2
        kind = self.types[position]
        if kind == BOOL:
            return int(value)
        if kind == STRING:
            return self.codes[position][value]
        if kind != DOUBLE:
            return (value & 0xFFFFFFFFFFFFFFFF) ^ 1 << 63
        if value != value:
            return 0xFFFFFFFFFFFFFFFF
        bits = struct.unpack("<Q", struct.pack("<d", value + 0.0))[0]
        return bits ^ (0xFFFFFFFFFFFFFFFF if bits >> 63 else 1 << 63)

    def check_order(self, position, is_ordered):
        """An ordered index has the entries that the column says, in order and in their blocks."""
        prefix = struct.pack(">IB", self.description["columnArrays"][position], 2)
        blocks = sorted((key, value) for key, value in self.database.data["dictionary"].items() if key[:5] == prefix)
        need(is_ordered or not blocks, "a column that is not indexed has an ordered index")
        need(not blocks or blocks[0][0] == prefix + bytes(12), "an ordered index does not begin at its start")
        entries = []
        for i, (key, value) in enumerate(blocks):
            n = len(value) // 12
            need(len(value) == 12 * n and n <= 160 and (n > 0 or i == 0), "a block of an ordered index is malformed")
            found = list(zip(struct.unpack_from("<%dQ" % n, value), struct.unpack_from("<%dI" % n, value, 8 * n)))
            need(all(entry >= struct.unpack(">QI", key[5:]) for entry in found), "an entry stands before its block")
            entries += found
            need(i + 1 == len(blocks) or not found or found[-1] < struct.unpack(">QI", blocks[i + 1][0][5:]), "an entry stands behind its block")
        need(entries == sorted(set(entries)), "an ordered index is not in order")
        need(all(slot < self.ordered for _, slot in entries), "an ordered index has an entry of a slot that it does not cover")
        if not is_ordered:
            return
        column = self.columns[position]
        expected = sorted((self.number(position, column[slot]), slot) for slot in range(self.ordered)
                          if slot not in self.deleted and column[slot] is not None)
        need([entry for entry in entries if entry[1] not in self.deleted] == expected, "an ordered index has other entries than its column")

    def key(self, slot):
        if self.keys[slot] is not None:
            return self.keys[slot]
        return self.database.data["records"][struct.pack(">IIB", self.id, slot, 0)].decode()

    def slot(self, key):  # section 9
        ids = self.database.data["ids"]
        if isinstance(key, str):
            return struct.unpack("<I", ids[struct.pack(">IB", self.id, 2) + key.encode()])[0]
        ordered = struct.pack(">Q", (key & 0xFFFFFFFFFFFFFFFF) ^ 1 << 63)
        own = ids.get(struct.pack(">IB", self.id, 1) + ordered)
        if own:
            return struct.unpack("<I", own)[0]
        prefix = struct.pack(">IB", self.id, 0)
        run = max(k for k in ids if k[:5] == prefix and k <= prefix + ordered)
        first = (struct.unpack(">Q", run[5:])[0] ^ 1 << 63) - (1 << 64 if run[5] < 0x80 else 0)
        count, slot = struct.unpack("<QI", ids[run])
        need((count == 0) == (first == self.open_run), "a run is open that should not be, or the other way round")
        count = count or self.slots - slot
        need(key - first < count, f"id {key} has no slot")
        return slot + key - first

    def records(self, with_vectors):
        for slot in range(self.slots):
            if slot in self.deleted:
                continue
            key = self.key(slot)
            need(self.slot(key) == slot, f"id {key} does not lead to slot {slot}")
            names = [column["name"] for column in self.description["columns"]]
            record = {"table": self.description["name"], "slot": slot, "id": key, "norm": self.norms[slot],
                      "fields": {name: column[slot] for name, column in zip(names, self.columns)}}
            for kind, name in ((1, "payload"), (2, "attachment")):
                data = self.database.data["records"].get(struct.pack(">IIB", self.id, slot, kind))
                if data is not None:
                    record[name] = data.decode() if kind == 1 else base64.b64encode(data).decode()
            if with_vectors:
                record["vector"] = self.vectors[slot].hex()
            yield record


def main():
    parser = argparse.ArgumentParser(description="Print a Needletail database as JSON lines, read from FORMAT.md alone.")
    parser.add_argument("file")
    parser.add_argument("--vectors", action="store_true", help="print each vector's bytes in hexadecimal")
    arguments = parser.parse_args()
    try:
        database = Database(arguments.file)
        print(json.dumps({"format": database.version, "uuid": database.uuid, "tables": len(database.tables)}))
        for table in database.tables:
            print(json.dumps({"table": table.description["name"], "slots": table.slots, "sealed": table.sealed,
                              "live": table.live, "ordered": table.ordered, "columns": table.description["columns"]}))
            for index in table.indexes:
                print(json.dumps(index.line(table)))
            for record in table.records(arguments.vectors):
                print(json.dumps(record))
    except (Damage, KeyError, IndexError, struct.error, UnicodeDecodeError, ValueError) as problem:
        print(f"{arguments.file}: damaged: {problem}", file=sys.stderr)
        sys.exit(65)
    except OSError as problem:
        print(f"{arguments.file}: {os.strerror(problem.errno)}", file=sys.stderr)
        sys.exit(74)
    except BrokenPipeError:
        pass


if __name__ == "__main__":
    main()
