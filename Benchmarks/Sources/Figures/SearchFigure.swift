import CReadBandwidth
import Foundation
import Needletail

/// Exact search with one thread, as bytes of vectors per second, in turns with a loop that only reads the same file's pages.
struct ScanFigure {
    let path: String, collection: String, queries: [[Float]]
    private let rounds = 41

    init(_ arguments: ArraySlice<String>) throws {
        let arguments = Array(arguments)
        guard arguments.count == 3 else { throw Usage("Figures scan DATABASE COLLECTION QUERIES.fvecs") }
        (path, collection) = (arguments[0], arguments[1])
        queries = try VectorFile(path: arguments[2], count: 100).rows
    }

    func run() throws {
        let database = try Database(path: path, mode: .readOnly)
        let records = try database.collection(collection)
        let vectorBytes = Double(try records.count() * records.schema.vectorByteCount)
        let file = try MappedFile(path: path)

        // Both touch every page first.
        _ = try records.search(near: queries[0], k: 10, select: .none)
        var checksum = file.readAll()

        var read: [Double] = []
        var searched: [Double] = []
        for round in 0 ..< rounds {
            read.append(Double(file.byteCount) / Figures.seconds { checksum &+= file.readAll() } / 1e9)
            let query = queries[round % queries.count]
            searched.append(vectorBytes / (try Figures.seconds { _ = try records.search(near: query, k: 10, select: .none) }) / 1e9)
        }
        let note = "\(rounds) rounds in turns; checksum \(checksum)"
        Measurement("scan", "read the file's pages", unit: "GB/s", runs: read, note: note).print()
        Measurement("scan", "exact search, k = 10", unit: "GB/s", runs: searched).print()
        Measurement("scan", "search against read, pair by pair", unit: "", runs: zip(searched, read).map { $0 / $1 }).print()
    }
}

/// A batch of 100 queries with one thread: one batch for every line of standard input, so that a peer can take turns.
struct BatchFigure {
    let path: String, collection: String, queries: [[Float]]

    init(_ arguments: ArraySlice<String>) throws {
        let arguments = Array(arguments)
        guard arguments.count == 3 else { throw Usage("Figures batch DATABASE COLLECTION QUERIES.fvecs") }
        (path, collection) = (arguments[0], arguments[1])
        queries = try VectorFile(path: arguments[2], count: 100).rows
    }

    func serve() throws {
        let database = try Database(path: path, mode: .readOnly)
        let records = try database.collection(collection)
        var results = try records.search(nearEach: queries, k: 10, select: .none)
        FileHandle.standardOutput.write(Data("{\"ready\": \"one thread\"}\n".utf8))
        while readLine() != nil {
            let seconds = try Figures.seconds { results = try records.search(nearEach: queries, k: 10, select: .none) }
            let nearest = results.prefix(5).map { $0.hits.first?.id.description ?? "null" }.joined(separator: ",")
            FileHandle.standardOutput.write(Data("{\"seconds\": \(seconds), \"nearest\": [\(nearest)]}\n".utf8))
        }
    }
}

/// A file mapped for reading, whole steps of 512 bytes of it.
private final class MappedFile {
    let byteCount: Int
    private let address: UnsafeMutableRawPointer

    init(path: String) throws {
        let descriptor = open(path, O_RDONLY)
        var facts = stat()
        guard descriptor >= 0, fstat(descriptor, &facts) == 0 else { throw Usage("\(path) cannot be read") }
        defer { close(descriptor) }
        byteCount = Int(facts.st_size) / 512 * 512
        guard let mapped = mmap(nil, byteCount, PROT_READ, MAP_SHARED, descriptor, 0), mapped != MAP_FAILED else {
            throw Usage("\(path) cannot be mapped")
        }
        address = mapped
    }

    deinit { munmap(address, byteCount) }

    func readAll() -> UInt64 { read_all_bytes(address, byteCount) }
}
