import CNeedletailKernels
import NeedletailStorage

// Where lists are many, to compare a query with all centroids costs as much as to scan the lists it visits. So centroids have
// RaBitQ codes of their own, in blocks as rows have them: these are scanned in registers, and the exact distance is computed of
// what seems nearest.
//
// Measured with 4,096 lists of a million SIFT descriptors: 50 µs of CPU a query instead of 92 with 16 lists scanned, 80 instead of 100 with
// 32; recall is the same to four digits. In batches, where a matrix product compares centroids, it is 25 instead of 30 and 43 instead of 44.

/// What the header says of the centroids' codes: the steps of their terms and scales, as a list has them.
package struct IVFPQCoarseCodes: Codable, Sendable, Hashable {
    package var bits: Int
    package var termLeast: Float
    package var termStep: Float
    package var scaleStep: Float

    package init(bits: Int, termLeast: Float, termStep: Float, scaleStep: Float) {
        self.bits = bits
        self.termLeast = termLeast
        self.termStep = termStep
        self.scaleStep = scaleStep
    }

    /// From so many lists on, centroids have codes.
    static let leastLists = 2048
    /// Bits of a component.
    static let usualBits = 2

    /// Lists whose exact distance is computed to find so many.
    static func candidates(_ wanted: Int) -> Int { wanted + max(48, wanted) }

    /// Whether values are such that they may be reckoned with.
    var isValid: Bool {
        IVFPQCode.possibleBits(.rabitq).contains(bits) && termLeast.isFinite && termStep.isFinite && termStep >= 0 && scaleStep.isFinite
            && scaleStep >= 0
    }
}

extension IVFPQHeader {
    /// The form of the centroids' codes, as if they were rows of an index of one list.
    var coarseForm: IVFPQHeader? {
        coarse.map { form(coarseBits: $0.bits) }
    }

    fileprivate func form(coarseBits bits: Int) -> IVFPQHeader {
        IVFPQHeader(metric: metric, element: .f32, dimension: paddedDimension, nlist: 1, code: .rabitq(bits: bits), seed: seed)
    }

    /// Whether centroids can have codes and are many enough.
    fileprivate var wantsCoarseCodes: Bool {
        nlist >= IVFPQCoarseCodes.leastLists
            && IVFPQHeader.rabitqDimension(paddedDimension) * IVFPQCoarseCodes.usualBits <= IVFPQHeader.rabitqBitsLimit
    }
}

extension IVFPQModel {
    /// The blocks of the centroids' codes, and what the header says of them; without rows where lists are few.
    func coarseCodes() -> (rows: IVFPQRows, codes: IVFPQCoarseCodes?) {
        let bits = IVFPQCoarseCodes.usualBits
        let form = header.form(coarseBits: bits)
        guard header.wantsCoarseCodes, let rotation = form.randomRotation else { return (IVFPQRows(stride: form.blockStride, count: 0), nil) }
        let coder = RaBitQCoder(bits: bits, dimension: rotation.rotatedDimension)
        let rotated = FloatMatrix(rows: 1, columns: rotation.rotatedDimension)
        var kernel = rotation.kernel
        let rotate = nt_rabitq_current().pointee.rotate
        let codes = UnsafeMutablePointer<UInt8>.allocate(capacity: header.nlist * coder.codeByteCount)
        defer { codes.deallocate() }
        var terms: [Float] = [], scales: [Float] = []
        for list in 0 ..< header.nlist {
            rotate?(&kernel, centroids[list], rotated.base)
            scales.append(coder.encode(rotated.base, to: codes + list * coder.codeByteCount))
            // A query near c leaves it at right angles to what the code lacks of it: ‖q − c‖² is ‖q‖² − 2q·ĉ + ‖c‖².
            terms.append(header.metric == .dot ? 0 : Float(nt_sqnorm_f32(rotated.base, rotated.columns)))
        }
        let term = IVFPQTermScale(least: terms.min() ?? 0, most: terms.max() ?? 0)
        let scale = IVFPQListScale(term: term, step: (scales.max() ?? 0) / 255)
        var listed = IVFPQListRows(form)
        for list in 0 ..< header.nlist {
            listed.append(
                slot: UInt32(list), term: term.byte(terms[list]), scale: scale.byte(scales[list]), code: codes + list * coder.codeByteCount)
        }
        let width = IVFPQHeader.blockRows
        let rows = IVFPQRows(stride: form.blockStride, count: (header.nlist + width - 1) / width)
        for block in 0 ..< rows.count {
            listed.write(block * width ..< min(header.nlist, (block + 1) * width), width: width, form, to: rows.row(block))
        }
        return (rows, IVFPQCoarseCodes(bits: bits, termLeast: term.least, termStep: term.step, scaleStep: scale.step))
    }
}

/// The centroids' codes where they lie, ready to be searched.
final class IVFPQCoarseSearch: @unchecked Sendable {
    private let codes: IVFPQCoarseCodes
    private let form: IVFPQHeader
    private let blocks: ChunkedRows
    private let count: Int
    private let rotation: RaBitQRotation
    private let quantizer: ProductQuantizer
    private let leastStep: Float

    /// - Parameter blocks: of the form that the header gives, enough for all lists.
    init?(_ header: IVFPQHeader, blocks: ChunkedRows) {
        guard let codes = header.coarse, let form = header.coarseForm, let rotation = form.randomRotation else { return nil }
        self.codes = codes
        self.form = form
        self.blocks = blocks
        count = header.nlist
        self.rotation = rotation
        quantizer = ProductQuantizer(grid: codes.bits, dimension: rotation.rotatedDimension)
        leastStep = IVFPQIndex.leastStep(termStep: codes.termStep, unit: IVFPQList.unit(scaleStep: codes.scaleStep))
    }

    /// Puts the numbers of the centroids that seem nearest to a transformed query into `scratch.candidates`, in no order. Returns how
    /// many they are.
    func candidates(_ query: UnsafePointer<Float>, wanted: Int, _ scratch: IVFPQScratch) -> Int {
        let capacity = scratch.reserve(probes: wanted)
        let coarse = scratch.coarseTable(form)
        var kernel = rotation.kernel
        nt_rabitq_current().pointee.rotate(&kernel, query, coarse.query.base)
        var book = quantizer.book
        nt_pq_products(&book, coarse.query.base, form.metric == .dot ? -1 : -2, false, coarse.values.base)
        var state = nt_pq_query()
        var offset: Float = 0
        let step = nt_pq_quantize(
            coarse.values.base, UInt32(form.subspaces), 16, UInt32(IVFPQIndex.tableLimit), leastStep, coarse.table, &offset)
        let unit = step * IVFPQList.unit(scaleStep: codes.scaleStep)
        state.table = UnsafePointer(coarse.table)
        state.center = UInt32((-offset / step).rounded())
        state.threshold = .infinity
        state.keep = UInt32(wanted)
        state.capacity = UInt32(capacity)
        state.keys = scratch.probes
        _ = nt_pq_enter(&state, codes.termLeast - unit * Float(state.center), unit, codes.termStep)
        var run = nt_pq_run()
        run.subspaces = UInt32(form.storedSubspaces)
        run.has_scales = true
        run.slot_count = UInt32(count)
        run.width = UInt32(IVFPQHeader.blockRows)
        run.stride = blocks.stride
        let chunkRows = IVFPQHeader.blockRows << blocks.shift
        withUnsafeMutablePointer(to: &state) { query in
            var pointer: UnsafeMutablePointer<nt_pq_query>? = query
            for first in stride(from: 0, to: count, by: chunkRows) {
                run.blocks = blocks.pointers[first / chunkRows].assumingMemoryBound(to: UInt8.self)
                run.rows = min(chunkRows, count - first)
                nt_pq_scan4(&pointer, 1, &run)
            }
        }
        var found = Int(state.count)
        if found > wanted {
            nt_least_keys(scratch.probes, found, wanted)
            found = wanted
        }
        for i in 0 ..< found { scratch.candidates[i] = nt_key_slot(scratch.probes[i]) }
        return found
    }
}
