/// A list as the directory stores it, in 64 bytes: where its rows are.
///
/// Rows stand in full blocks, in a few runs of neighbouring ones, and what is left over in a tail. So an insert leaves
/// all full blocks alone: tails are an array of their own, small, and written anew.
///
/// | offset | bytes | |
/// |---|---|---|
/// | 0 | 4 | rows |
/// | 4 | 4 | first row of the tail in `tails` |
/// | 8 | 4 | f32: the least term, of which a row's byte counts steps |
/// | 12 | 4 | f32: a step |
/// | 16 | 4 | runs of full blocks |
/// | 20 | 4 | f32: a step of the rows' scales; 0 under PQ |
/// | 24 | 40 | five runs: first block, number of blocks |
struct IVFPQList {
    static let stride = 64
    static let runLimit = 5

    var rowCount = 0
    var tailFirst = 0
    var termLeast: Float = 0
    var termStep: Float = 0
    var scaleStep: Float = 0
    var runs: [(first: Int, count: Int)] = []

    init() {}

    init(_ row: UnsafeRawPointer) {
        let head = Head(row)
        rowCount = head.rowCount
        tailFirst = head.tailFirst
        termLeast = head.termLeast
        termStep = head.termStep
        scaleStep = head.scaleStep
        for run in 0 ..< min(head.runCount, Self.runLimit) { runs.append(Self.run(row, run)) }
    }

    func store(to row: UnsafeMutableRawPointer) {
        row.storeBytes(of: UInt32(rowCount), as: UInt32.self)
        row.storeBytes(of: UInt32(tailFirst), toByteOffset: 4, as: UInt32.self)
        row.storeBytes(of: termLeast, toByteOffset: 8, as: Float.self)
        row.storeBytes(of: termStep, toByteOffset: 12, as: Float.self)
        row.storeBytes(of: UInt32(runs.count), toByteOffset: 16, as: UInt32.self)
        row.storeBytes(of: scaleStep, toByteOffset: 20, as: Float.self)
        for number in 0 ..< Self.runLimit {
            let run = number < runs.count ? runs[number] : (first: 0, count: 0)
            row.storeBytes(of: UInt32(run.first), toByteOffset: 24 + 8 * number, as: UInt32.self)
            row.storeBytes(of: UInt32(run.count), toByteOffset: 28 + 8 * number, as: UInt32.self)
        }
    }

    var fullBlockCount: Int { runs.reduce(0) { $0 + $1.count } }
    var tailRowCount: Int { rowCount - fullBlockCount * IVFPQHeader.blockRows }

    /// Rows of `tails` that so many rows take.
    static func tailUnits(_ rows: Int) -> Int { (rows + IVFPQHeader.tailRows - 1) / IVFPQHeader.tailRows }

    /// What a search reads of a list, without an allocation.
    struct Head {
        let rowCount: Int
        let tailFirst: Int
        let termLeast: Float
        let termStep: Float
        let scaleStep: Float
        let runCount: Int

        @inline(__always)
        init(_ row: UnsafeRawPointer) {
            rowCount = Int(row.load(as: UInt32.self))
            tailFirst = Int(row.load(fromByteOffset: 4, as: UInt32.self))
            termLeast = row.load(fromByteOffset: 8, as: Float.self)
            termStep = row.load(fromByteOffset: 12, as: Float.self)
            scaleStep = row.load(fromByteOffset: 20, as: Float.self)
            runCount = Int(row.load(fromByteOffset: 16, as: UInt32.self))
        }
    }

    /// What a table's entries count in the list, before rows' scales as 256ths: a step of distance for a step of the table.
    @inline(__always)
    static func unit(scaleStep: Float) -> Float { scaleStep > 0 ? 256 * scaleStep : 1 }

    @inline(__always)
    static func run(_ row: UnsafeRawPointer, _ number: Int) -> (first: Int, count: Int) {
        (Int(row.load(fromByteOffset: 24 + 8 * number, as: UInt32.self)), Int(row.load(fromByteOffset: 28 + 8 * number, as: UInt32.self)))
    }
}
