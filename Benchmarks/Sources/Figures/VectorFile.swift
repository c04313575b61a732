import Foundation

/// The first rows of a `.fvecs` file.
struct VectorFile {
    let rows: [[Float]]

    init(path: String, count: Int) throws {
        let data = try Data(contentsOf: URL(fileURLWithPath: path), options: .mappedIfSafe)
        rows = try data.withUnsafeBytes { bytes in
            guard bytes.count >= 4 else { throw Usage("\(path) must be a .fvecs file") }
            let dimension = Int(bytes.loadUnaligned(as: Int32.self))
            let stride = 4 + 4 * dimension
            guard dimension > 0, bytes.count % stride == 0 else { throw Usage("\(path) must be a .fvecs file") }
            return (0 ..< min(count, bytes.count / stride)).map { row in
                (0 ..< dimension).map { bytes.loadUnaligned(fromByteOffset: row * stride + 4 + 4 * $0, as: Float.self) }
            }
        }
    }
}
