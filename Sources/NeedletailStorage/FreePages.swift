import CLMDB
import Foundation

/// Finds out whether a file reaches as far as its data do: reading beyond its end would kill the process.
///
/// LMDB may give the file's last pages to nobody (a transaction that takes pages and lets them go does not write them),
/// so a file shorter than its page count is sound if all pages that it lacks are free. LMDB itself would look them up
/// in the map, where a damaged file ends the process; so this reads LMDB's list of free pages with plain reads.
extension FileProbe {
    static func checkLength(_ core: EnvironmentCore) throws(StorageError) {
        try checkLength(path: core.path, calls: core.calls, environment: core.handle)
    }

    static func checkLength(path: String, calls: LMDBCalls, environment: OpaquePointer) throws(StorageError) {
        func length() throws(StorageError) -> Int {
            var status = stat()
            let code = calls.status(descriptor: calls.fileDescriptor(environment), &status)
            guard code == 0 else { throw .system(code, doing: "opening", path: path) }
            return Int(status.st_size)
        }
        let pageByteCount = calls.pageByteCount(environment)
        let knownLastPage = calls.information(environment).me_last_pgno
        try checkPageCount(UInt64(knownLastPage), path: path)
        let needed = (Int(knownLastPage) + 1) * pageByteCount
        if try length() >= needed { return }
        // Pinned by a read transaction, the list of free pages stands still while it is read.
        var handle: OpaquePointer?
        let code = calls.begin(environment, parent: nil, readOnly: true, transaction: &handle)
        guard code == 0, let handle else { throw .system(code, doing: "opening", path: path) }
        defer { calls.abort(handle) }
        let byteCount = try length()
        let descriptor = calls.fileDescriptor(environment)
        let reader = FreePageReader(transactionID: calls.transactionID(handle), pageByteCount: pageByteCount) { offset, count in
            calls.read(descriptor, offset: offset, count: count)
        }
        guard let lastPage = reader.lastPage, let missing = reader.freePages(from: byteCount / pageByteCount),
              missing.count == lastPage + 1 - byteCount / pageByteCount
        else {
            throw StorageError(
                .corrupt, "\(path) is cut off: it has \(byteCount) bytes of \(needed); restore it from a backup", path: path,
                expected: needed, actual: byteCount)
        }
    }
}

/// Reads LMDB's list of free pages without LMDB. See FORMAT.md for the structures.
private struct FreePageReader {
    private let pageByteCount: Int
    private let read: (Int, Int) -> [UInt8]?
    private let root: UInt64
    /// The last page that the commit knows.
    let lastPage: Int?

    init(transactionID: UInt64, pageByteCount: Int, read: @escaping (Int, Int) -> [UInt8]?) {
        self.pageByteCount = pageByteCount
        self.read = read
        var root = UInt64.max
        var lastPage: Int?
        for page in 0 ..< 2 {
            guard let meta = read(page * pageByteCount, 152) else { continue }
            meta.withUnsafeBytes { bytes in
                guard bytes.littleEndian64(16 + 128) == transactionID else { return }
                root = bytes.littleEndian64(16 + 24 + 40)
                lastPage = Int(exactly: bytes.littleEndian64(16 + 120))
            }
        }
        self.root = root
        self.lastPage = lastPage
    }

    /// The free pages from `first` on; nil where the list itself cannot be read.
    func freePages(from first: Int) -> Set<Int>? {
        guard root != .max else { return nil }
        var pages: Set<Int> = []
        return visit(root, depth: 0) { list in
            for page in list where page >= UInt64(first) { pages.insert(Int(clamping: page)) }
        } ? pages : nil
    }

    private func visit(_ number: UInt64, depth: Int, _ body: ([UInt64]) -> Void) -> Bool {
        guard depth < 32, let offset = Int(exactly: number).map({ $0 &* pageByteCount }), offset > 0,
              let page = read(offset, pageByteCount)
        else { return false }
        return page.withUnsafeBytes { bytes in
            let flags = bytes.loadUnaligned(fromByteOffset: 10, as: UInt16.self)
            let end = Int(bytes.loadUnaligned(fromByteOffset: 12, as: UInt16.self))
            guard end >= 16, end <= pageByteCount, flags & 3 != 0 else { return false }
            for pointer in stride(from: 16, to: end, by: 2) {
                let node = Int(bytes.loadUnaligned(fromByteOffset: pointer, as: UInt16.self))
                guard node + 8 <= pageByteCount else { return false }
                let low = UInt64(bytes.littleEndian32(node))
                let nodeFlags = UInt64(bytes.loadUnaligned(fromByteOffset: node + 4, as: UInt16.self))
                let keyByteCount = Int(bytes.loadUnaligned(fromByteOffset: node + 6, as: UInt16.self))
                if flags & 1 != 0 {
                    guard visit(low | nodeFlags << 32, depth: depth + 1, body) else { return false }
                    continue
                }
                let data = node + 8 + keyByteCount
                guard let list = value(bytes, at: data, count: Int(low), isBig: nodeFlags & 1 != 0), let head = list.first,
                      let count = Int(exactly: head), count < list.count
                else { return false }
                body(Array(list[1 ..< 1 + count]))
            }
            return true
        }
    }

    private func value(_ page: UnsafeRawBufferPointer, at offset: Int, count: Int, isBig: Bool) -> [UInt64]? {
        let bytes: [UInt8]
        if isBig {
            guard offset + 8 <= page.count, let number = Int(exactly: page.littleEndian64(offset)), number < 1 << 48,
                  let overflow = read(number * pageByteCount + 16, count)
            else { return nil }
            bytes = overflow
        } else {
            guard offset + count <= page.count else { return nil }
            bytes = Array(page[offset ..< offset + count])
        }
        return bytes.withUnsafeBytes { bytes in (0 ..< bytes.count / 8).map { bytes.littleEndian64(8 * $0) } }
    }
}
