/// A picture file as the walk finds it, before anything is read from it.
package struct PictureFile: Sendable, Hashable {
    /// The absolute path, with no `.` or `..` in it.
    package var path: String
    /// The path below the folder that was named.
    package var relativePath: String
    package var byteCount: Int
    /// Microseconds since 1970.
    package var modified: Int64

    package init(path: String, relativePath: String, byteCount: Int, modified: Int64) {
        self.path = path
        self.relativePath = relativePath
        self.byteCount = byteCount
        self.modified = modified
    }

    /// The name of the folder that it lies in.
    package var folder: String {
        path.split(separator: "/").dropLast().last.map(String.init) ?? "/"
    }

    /// The folders between the one that was named and the picture, as `animals/birds`; `nil` directly inside.
    package var category: String? {
        let parts = relativePath.split(separator: "/").dropLast()
        return parts.isEmpty ? nil : parts.joined(separator: "/")
    }

    /// The record's id: the path, so that a second run knows the picture again.
    ///
    /// An id holds 480 bytes at most. Of a longer path the end is kept, which tells most, behind a hash of the whole.
    package var recordID: String {
        let utf8 = Array(path.utf8)
        guard utf8.count > 480 else { return path }
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325 // FNV-1a
        for byte in utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
        var tail = utf8.suffix(440)
        while let first = tail.first, first & 0xC0 == 0x80 { tail.removeFirst() } // Not from the middle of a character.
        return "#" + String(hash, radix: 16) + "…" + String(decoding: tail, as: UTF8.self)
    }
}
