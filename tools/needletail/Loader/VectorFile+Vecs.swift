/// `.fvecs` and `.bvecs`, the formats of the TEXMEX corpora: each row is its dimension as a little-endian 32-bit
/// number, then that many `Float`s or bytes. There is no header for the whole: dimension and count are inferred from
/// the first row and the file's size.
extension VectorFile {
    init(vecs path: String, component: Component) throws(InputError) {
        let file = try MappedFile(path: path)
        let byteCount = file.bytes.count
        guard byteCount > 0 else { throw InputError(path, "the file is empty; it should hold at least one vector") }
        guard byteCount >= 4 else {
            throw InputError(path, "\(byteCount) bytes, too short for the dimension of a first row; the file is cut off")
        }
        let dimension = Int(Int32(littleEndian: file.bytes.loadUnaligned(as: Int32.self)))
        guard dimension > 0, dimension <= Self.largestDimension else {
            throw InputError(
                path, .row(0, offset: 0),
                "dimension \(dimension) makes no sense; is this really a .\(Path.pathExtension(of: path)) file?")
        }
        let stride = 4 + dimension * component.byteCount
        let (count, rest) = byteCount.quotientAndRemainder(dividingBy: stride)
        guard rest == 0 else {
            throw InputError(
                path, .row(count, offset: count * stride),
                "the file ends \(rest) bytes into a row of \(stride) (dimension \(dimension)): "
                    + "it is cut off, or no .\(Path.pathExtension(of: path)) file; fetch or make it again")
        }
        self.init(
            file: file, component: component, dimension: dimension, count: count, firstOffset: 4, stride: stride,
            hasRowHeaders: true)
    }
}
