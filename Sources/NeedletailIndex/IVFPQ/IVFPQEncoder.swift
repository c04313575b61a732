import CNeedletailKernels
import Synchronization

/// The lowest slot at which something went wrong, whichever thread met it.
final class FirstFailure: Sendable {
    // A signed integer: the minimum of atomic unsigned ones compares them as signed (Swift 6.3), so that .max is the least.
    private let least = Atomic<Int>(.max)

    func record(_ slot: UInt32) { least.min(Int(slot), ordering: .relaxed) }

    var slot: UInt32? {
        let slot = least.load(ordering: .relaxed)
        return slot == .max ? nil : UInt32(slot)
    }
}

/// Rows with their lists and codes, by slot.
final class IVFPQCodes: @unchecked Sendable {
    let slots: Range<Int>
    /// The list of each slot, `noList` where it is deleted.
    let labels: UnsafeMutablePointer<UInt32>
    /// Codes as a block has them, pair by pair, `codeByteCount` bytes a slot.
    let codes: UnsafeMutablePointer<UInt8>
    let terms: UnsafeMutablePointer<Float>
    /// What the table's sum of a row is multiplied by; nil: nothing.
    let scales: UnsafeMutablePointer<Float>?
    let codeByteCount: Int
    fileprivate(set) var rowCount = 0
    /// The mean squared distances from the centroid, and from what the code stands for.
    fileprivate(set) var assignmentError = 0.0
    fileprivate(set) var quantizationError = 0.0

    static let noList = UInt32.max

    init(slots: Range<Int>, codeByteCount: Int, hasScales: Bool) {
        self.slots = slots
        self.codeByteCount = codeByteCount
        labels = .allocate(capacity: max(slots.count, 1))
        codes = .allocate(capacity: max(slots.count * codeByteCount, 1))
        terms = .allocate(capacity: max(slots.count, 1))
        scales = hasScales ? .allocate(capacity: max(slots.count, 1)) : nil
    }

    deinit {
        labels.deallocate()
        codes.deallocate()
        terms.deallocate()
        scales?.deallocate()
    }
}

/// Assigns vectors to lists and codes them.
struct IVFPQEncoder {
    let source: IVFPQSource
    let model: IVFPQModel
    let crew: TrainingCrew

    private static let pieceRows = CentroidTable.tileRows * 4

    func encode(_ slots: Range<Int>) throws(TrainingError) -> IVFPQCodes {
        let header = model.header
        let result = IVFPQCodes(slots: slots, codeByteCount: header.codeByteCount, hasScales: header.hasScales)
        let table = CentroidTable(model.centroids.base, count: header.nlist, dimension: header.paddedDimension)
        let piece = Self.pieceRows
        let failed = FirstFailure()
        // Errors are summed by piece, then in order, so that threads do not change a digit.
        let pieces = (slots.count + piece - 1) / piece
        let errors = UnsafeMutablePointer<(rows: Int, assignment: Double, quantization: Double)>.allocate(capacity: max(pieces, 1))
        errors.initialize(repeating: (0, 0, 0), count: max(pieces, 1))
        defer { errors.deallocate() }
        let scratches = (0 ..< crew.threads).map { _ in
            Workspace(rows: piece, dimension: header.paddedDimension, products: table.scratchCount, subspaces: header.subspaces, code: header.code)
        }
        try crew.forEach(slots.count, piece: piece, phase: "encoding") { worker, range in
            errors[range.lowerBound / piece] = encode(range, result, table, scratches[worker], failed)
        }
        if let slot = failed.slot { throw .notFinite(slot: slot) }
        for number in 0 ..< pieces {
            result.rowCount += errors[number].rows
            result.assignmentError += errors[number].assignment
            result.quantizationError += errors[number].quantization
        }
        result.assignmentError /= Double(max(result.rowCount, 1))
        result.quantizationError /= Double(max(result.rowCount, 1))
        return result
    }

    /// What one thread works in.
    private final class Workspace: @unchecked Sendable {
        let rows, spare, products, distances: FloatMatrix
        let labels: UnsafeMutablePointer<UInt32>
        let numbers: UnsafeMutablePointer<Int>
        let codes: UnsafeMutablePointer<UInt8>
        let coder: RaBitQCoder?

        init(rows count: Int, dimension: Int, products productCount: Int, subspaces: Int, code: IVFPQCode) {
            rows = FloatMatrix(rows: count, columns: dimension)
            spare = FloatMatrix(rows: count, columns: dimension)
            products = FloatMatrix(rows: 1, columns: productCount)
            distances = FloatMatrix(rows: 1, columns: count)
            labels = .allocate(capacity: count)
            numbers = .allocate(capacity: count)
            codes = .allocate(capacity: subspaces)
            if case .rabitq(let bits) = code { coder = RaBitQCoder(bits: bits, dimension: dimension) } else { coder = nil }
        }

        deinit {
            labels.deallocate()
            numbers.deallocate()
            codes.deallocate()
        }
    }

    private func encode(
        _ range: Range<Int>, _ result: IVFPQCodes, _ table: CentroidTable, _ work: Workspace, _ failed: FirstFailure
    ) -> (rows: Int, assignment: Double, quantization: Double) {
        let header = model.header
        let dimension = header.paddedDimension
        var count = 0
        for number in range {
            let slot = result.slots.lowerBound + number
            result.labels[number] = IVFPQCodes.noList
            if source.isDeleted(slot) { continue }
            if !source.place(slot, model.transform, to: work.rows[count]) { failed.record(UInt32(slot)) }
            work.numbers[count] = number
            count += 1
        }
        model.transform.rotate(work.rows.base, count: count, scratch: work.spare.base)
        table.assign(
            work.rows.base, stride: dimension, rowCount: count, labels: work.labels, distances: work.distances.base, scratch: work.products.base)
        var errors = (rows: count, assignment: 0.0, quantization: 0.0)
        var book = model.quantizer.book
        let term = IVFPQTerm(metric: header.metric, closeness: header.closeness, code: header.codeKind)
        for row in 0 ..< count {
            let vector = work.rows[row], number = work.numbers[row]
            let centroid = model.centroids[Int(work.labels[row])]
            result.labels[number] = work.labels[row]
            for i in 0 ..< dimension { vector[i] -= centroid[i] }
            let decoded = work.spare.base
            if let scales = result.scales {
                scales[number] = work.coder?.encode(vector, to: result.codes + number * header.codeByteCount) ?? 0
                work.coder?.decode(scale: scales[number], to: decoded)
            } else {
                nt_pq_encode(&book, vector, dimension, 1, work.codes)
                model.quantizer.decode(work.codes, to: decoded)
            }
            // `growth`: ‖x‖² − ‖c‖². `lean`: x̂·e, for x̂ what the code stands for and e = x − x̂.
            var growth: Float = 0, lean: Float = 0, assignment: Float = 0, quantization: Float = 0
            for i in 0 ..< dimension {
                let c = centroid[i], r = decoded[i], x = vector[i], e = x - r
                growth += x * (x + 2 * c)
                lean += (c + r) * e
                assignment += x * x
                quantization += e * e
            }
            result.terms[number] = term.value(growth: growth, lean: lean, error: quantization)
            errors.assignment += Double(assignment)
            errors.quantization += Double(quantization)
            if !header.hasScales { pack(work.codes, to: result.codes + number * header.codeByteCount) }
        }
        return errors
    }

    /// Codes of one byte a subspace into the bytes of a block.
    private func pack(_ codes: UnsafePointer<UInt8>, to bytes: UnsafeMutablePointer<UInt8>) {
        let header = model.header
        let subspaces = header.subspaces
        if header.bits == 8 {
            bytes.update(from: codes, count: subspaces)
            if subspaces < header.storedSubspaces { bytes[subspaces] = 0 }
            return
        }
        for pair in 0 ..< header.storedSubspaces / 2 {
            let high = 2 * pair + 1 < subspaces ? codes[2 * pair + 1] : 0
            bytes[pair] = codes[2 * pair] | high << 4
        }
    }
}
