/// NumPy's `.npy`, versions 1 to 3: magic, version, the length of a header, and the header: a Python dictionary
/// literal with `descr` (component type), `fortran_order` and `shape`. Then the components, row after row.
extension VectorFile {
    init(npy path: String) throws(InputError) {
        let file = try MappedFile(path: path)
        let bytes = file.bytes
        let magic: [UInt8] = [0x93] + Array("NUMPY".utf8)
        guard bytes.count >= 10, bytes.prefix(6).elementsEqual(magic) else {
            throw InputError(path, "not a .npy file: it does not begin with NumPy's magic; write it with numpy.save")
        }
        let version = bytes[6]
        let headerStart: Int
        let headerByteCount: Int
        switch version {
        case 1:
            headerStart = 10
            headerByteCount = Int(UInt16(littleEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt16.self)))
        case 2, 3:
            guard bytes.count >= 12 else { throw InputError(path, .offset(8), "the header is cut off") }
            headerStart = 12
            headerByteCount = Int(UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt32.self)))
        default:
            throw InputError(path, .offset(6), "version \(version) of .npy is unknown; versions 1 to 3 are read")
        }
        guard headerByteCount <= bytes.count - headerStart, headerByteCount <= 1 << 20 else {
            throw InputError(path, .offset(8), "the header claims \(headerByteCount) bytes, more than there are; the file is damaged")
        }
        let dataOffset = headerStart + headerByteCount
        let header = try NPYHeader(String(decoding: bytes[headerStart ..< dataOffset], as: UTF8.self), path: path)

        guard !header.isFortranOrder else {
            throw InputError(path, "the array is in Fortran order; save it by rows: numpy.save(file, numpy.ascontiguousarray(a))")
        }
        guard header.shape.count == 2 else {
            throw InputError(path, "the array has shape \(header.shape); vectors need two axes, (rows, dimension)")
        }
        let component = try Self.component(descr: header.descr, path: path)
        let (count, dimension) = (header.shape[0], header.shape[1])
        guard dimension > 0, dimension <= Self.largestDimension else {
            throw InputError(path, "dimension \(dimension) makes no sense; the array has shape \(header.shape)")
        }
        let stride = dimension * component.byteCount
        let (needed, overflow) = count.multipliedReportingOverflow(by: stride)
        let present = bytes.count - dataOffset
        guard !overflow, needed == present else {
            let claim = overflow ? "more than any file" : "\(needed) bytes"
            throw InputError(
                path, "the header claims \(count) rows of \(dimension) \(component.rawValue), \(claim), but \(present) bytes follow: "
                    + "the file is cut off or damaged; save it again")
        }
        self.init(
            file: file, component: component, dimension: dimension, count: count, firstOffset: dataOffset, stride: stride,
            hasRowHeaders: false)
    }

    private static func component(descr: String, path: String) throws(InputError) -> Component {
        switch descr {
        case "<f4", "=f4": .f32
        case "<f8", "=f8": .f64
        case "<f2", "=f2": .f16
        case "|i1", "<i1", "=i1": .i8
        case "|u1", "<u1", "=u1": .u8
        default:
            throw InputError(
                path, descr.hasPrefix(">")
                    ? "the components are big-endian (\(descr)); save them with a.astype('<f4')"
                    : "components of type '\(descr)' are not read; f32, f64, f16, i8 and u8 are: save with a.astype('float32')")
        }
    }
}

/// The three entries of a `.npy` header.
struct NPYHeader {
    var descr = ""
    var isFortranOrder = false
    var shape: [Int] = []

    /// Reads the dictionary literal. It is Python, but of such a plain kind that a scan for the three keys is exact:
    /// a structured `descr` (a list) is refused by itself.
    init(_ text: String, path: String) throws(InputError) {
        guard let descr = Self.value(after: "descr", in: text), let quote = descr.first, quote == "'" || quote == "\"",
              let end = descr.dropFirst().firstIndex(of: quote)
        else { throw InputError(path, "the header names no simple component type ('descr'); save a plain array of numbers") }
        self.descr = String(descr[descr.index(after: descr.startIndex) ..< end])

        guard let order = Self.value(after: "fortran_order", in: text), order.hasPrefix("True") || order.hasPrefix("False") else {
            throw InputError(path, "the header does not tell 'fortran_order'; the file is damaged")
        }
        isFortranOrder = order.hasPrefix("True")

        guard let shape = Self.value(after: "shape", in: text), shape.first == "(", let close = shape.firstIndex(of: ")") else {
            throw InputError(path, "the header does not tell 'shape'; the file is damaged")
        }
        let inside = shape[shape.index(after: shape.startIndex) ..< close]
        for part in inside.split(separator: ",") {
            let digits = part.filter { $0 != " " && $0 != "L" }
            if digits.isEmpty { continue }
            guard let length = Int(digits), length >= 0 else {
                throw InputError(path, "the header's shape (\(inside)) makes no sense; the file is damaged")
            }
            self.shape.append(length)
        }
    }

    private static func value(after key: String, in text: String) -> Substring? {
        guard let range = text.firstRange(of: "'\(key)'") ?? text.firstRange(of: "\"\(key)\"") else { return nil }
        let rest = text[range.upperBound...].drop { $0 == " " }
        guard rest.first == ":" else { return nil }
        return rest.dropFirst().drop { $0 == " " }
    }
}
