import CNeedletailKernels

/// The memory of one search at a time, taken from the index's pool and given back.
final class IVFPQScratch: @unchecked Sendable {
    /// The query as the index sees it, and room to rotate it.
    let query: FloatMatrix
    /// Distances to all centroids.
    let coarse: FloatMatrix
    /// A table before it is made bytes.
    let values: FloatMatrix
    let table: UnsafeMutablePointer<UInt8>
    private(set) var probes: UnsafeMutablePointer<UInt64>
    /// Lists whose exact distance is computed.
    private(set) var candidates: UnsafeMutablePointer<UInt32>
    private var coarseTable: CoarseTable?
    private var probeCapacity: Int
    private(set) var keys: UnsafeMutablePointer<UInt64>
    private(set) var keyCapacity: Int
    private(set) var slots: UnsafeMutablePointer<UInt32>

    init(_ header: IVFPQHeader) {
        query = FloatMatrix(rows: 2, columns: header.paddedDimension)
        coarse = FloatMatrix(rows: 1, columns: header.nlist)
        values = FloatMatrix(rows: header.subspaces, columns: 1 << header.lookupBits)
        table = .allocate(capacity: header.storedSubspaces << header.lookupBits)
        probeCapacity = 256
        probes = .allocate(capacity: probeCapacity)
        candidates = .allocate(capacity: probeCapacity)
        keyCapacity = 512
        keys = .allocate(capacity: keyCapacity)
        slots = .allocate(capacity: keyCapacity)
    }

    deinit {
        table.deallocate()
        probes.deallocate()
        candidates.deallocate()
        keys.deallocate()
        slots.deallocate()
    }

    /// A query as the centroids' codes see it, and its table.
    final class CoarseTable {
        let query: FloatMatrix
        let values: FloatMatrix
        let table: UnsafeMutablePointer<UInt8>

        init(_ form: IVFPQHeader) {
            query = FloatMatrix(rows: 1, columns: form.paddedDimension)
            values = FloatMatrix(rows: form.subspaces, columns: 16)
            table = .allocate(capacity: form.subspaces * 16)
        }

        deinit { table.deallocate() }
    }

    /// Made when the first search asks.
    func coarseTable(_ form: IVFPQHeader) -> CoarseTable {
        if let coarseTable { return coarseTable }
        let made = CoarseTable(form)
        coarseTable = made
        return made
    }

    /// Room for so many lists to be chosen.
    func reserve(probes wanted: Int) -> Int {
        let needed = Self.capacity(wanted)
        if needed > probeCapacity {
            probes.deallocate()
            probes = .allocate(capacity: needed)
            candidates.deallocate()
            candidates = .allocate(capacity: needed)
            probeCapacity = needed
        }
        return probeCapacity
    }

    /// Room for so many rows to be kept.
    func reserve(keys wanted: Int) {
        let needed = Self.capacity(wanted)
        if needed > keyCapacity {
            keys.deallocate()
            slots.deallocate()
            keys = .allocate(capacity: needed)
            slots = .allocate(capacity: needed)
            keyCapacity = needed
        }
    }

    /// Room for so many rows and one more block, those at hand kept.
    func grow(keys wanted: Int, keeping count: Int) {
        let needed = wanted + 64
        guard needed > keyCapacity else { return }
        let capacity = needed + needed / 2
        let larger = UnsafeMutablePointer<UInt64>.allocate(capacity: capacity)
        larger.update(from: keys, count: count)
        keys.deallocate()
        slots.deallocate()
        keys = larger
        slots = .allocate(capacity: capacity)
        keyCapacity = capacity
    }

    /// Room that keeps the least of a stream without choosing them too often.
    static func capacity(_ keep: Int) -> Int { keep * 2 + 192 }
}
