import Foundation

/// The header of a safetensors file, checked: every tensor lies inside the file, is as long as its type and shape say,
/// and together they cover the data without gap or overlap, as the format demands. So a truncated file, or one whose
/// header lies, is told by name and never read beyond its end.
package struct SafetensorsHeader: Sendable {
    /// Where one tensor is and what it is.
    package struct Tensor: Sendable, Hashable {
        /// The type's name in the format: `F32`, `F16`, `BF16`, `I64` ….
        package let type: String
        package let shape: [Int]
        /// The bytes it takes, counted from the end of the header.
        package let bytes: Range<Int>
        /// How many numbers it holds.
        package let count: Int
    }

    /// The reference implementation's bound, which keeps a lying length from costing memory.
    private static let maximumByteCount = 100_000_000

    /// Bytes of one number, by type.
    private static let widths = [
        "BOOL": 1, "U8": 1, "I8": 1, "F8_E4M3": 1, "F8_E5M2": 1, "I16": 2, "U16": 2, "F16": 2, "BF16": 2,
        "I32": 4, "U32": 4, "F32": 4, "I64": 8, "U64": 8, "F64": 8,
    ]

    package let metadata: [String: String]
    package let tensors: [String: Tensor]
    /// Where the data begins in the file.
    package let dataOffset: Int

    /// Reads and checks the header of `file`, the bytes of a whole file.
    package init(_ file: UnsafeRawBufferPointer, path: String) throws(VisionError) {
        guard file.count >= 8 else { throw Self.invalid(path, "it has \(file.count) bytes, too few for a header") }
        let length = UInt64(littleEndian: file.loadUnaligned(as: UInt64.self))
        guard length <= UInt64(Self.maximumByteCount), Int(length) <= file.count - 8 else {
            throw Self.invalid(path, "its header claims \(length) bytes, of \(file.count) in the file")
        }
        dataOffset = 8 + Int(length)
        guard length > 0, file[8] == UInt8(ascii: "{") else { throw Self.invalid(path, "its header is no JSON object") }

        let raw: RawHeader
        do {
            raw = try JSONDecoder().decode(RawHeader.self, from: Data(file[8 ..< dataOffset]))
        } catch {
            throw Self.invalid(path, "its header is not as the format has it (\(Self.place(of: error)))")
        }
        metadata = raw.metadata
        let dataCount = file.count - dataOffset
        var tensors: [String: Tensor] = [:]
        for (key, entry) in raw.entries { tensors[key] = try Self.checked(key, entry, dataCount: dataCount, path: path) }
        self.tensors = tensors
        try Self.checkCover(tensors, dataCount: dataCount, path: path)
    }

    private static func checked(_ key: String, _ entry: RawEntry, dataCount: Int, path: String) throws(VisionError) -> Tensor {
        guard let width = widths[entry.dtype] else { throw invalid(path, "tensor \(key) is of an unknown type, \(entry.dtype)", tensor: key) }
        guard entry.offsets.count == 2, entry.offsets[0] >= 0, entry.offsets[0] <= entry.offsets[1] else {
            throw invalid(path, "tensor \(key) has the offsets \(entry.offsets)", tensor: key)
        }
        guard entry.offsets[1] <= dataCount else {
            throw invalid(path, "tensor \(key) ends at byte \(entry.offsets[1]) of \(dataCount): the file is truncated, or its header lies", tensor: key)
        }
        var count = 1
        for side in entry.shape {
            let (product, overflow) = count.multipliedReportingOverflow(by: side)
            guard side >= 0, !overflow else { throw invalid(path, "tensor \(key) has the shape \(entry.shape)", tensor: key) }
            count = product
        }
        let (byteCount, overflow) = count.multipliedReportingOverflow(by: width)
        guard !overflow, byteCount == entry.offsets[1] - entry.offsets[0] else {
            throw invalid(
                path, "tensor \(key) of type \(entry.dtype) and shape \(entry.shape) does not fit its \(entry.offsets[1] - entry.offsets[0]) bytes", tensor: key)
        }
        return Tensor(type: entry.dtype, shape: entry.shape, bytes: entry.offsets[0] ..< entry.offsets[1], count: count)
    }

    private static func checkCover(_ tensors: [String: Tensor], dataCount: Int, path: String) throws(VisionError) {
        let inOrder = tensors.sorted { ($0.value.bytes.lowerBound, $0.value.bytes.upperBound) < ($1.value.bytes.lowerBound, $1.value.bytes.upperBound) }
        var covered = 0
        for (key, tensor) in inOrder {
            guard tensor.bytes.lowerBound == covered else {
                let fault = tensor.bytes.lowerBound < covered ? "overlaps the one before it" : "leaves a gap before it"
                throw invalid(path, "tensor \(key), from byte \(tensor.bytes.lowerBound), \(fault), which ends at \(covered)", tensor: key)
            }
            covered = tensor.bytes.upperBound
        }
        guard covered == dataCount else { throw invalid(path, "its tensors end at byte \(covered) of \(dataCount)") }
    }

    static func invalid(_ path: String, _ fault: String, tensor: String? = nil) -> VisionError {
        VisionError(.invalidModel, "\(path) is not a valid safetensors file: \(fault). Fetch or convert it again.", path: path, tensor: tensor)
    }

    private static func place(of error: any Error) -> String {
        guard let error = error as? DecodingError else { return "unreadable" }
        switch error {
        case .typeMismatch(_, let context), .valueNotFound(_, let context), .keyNotFound(_, let context), .dataCorrupted(let context):
            return context.codingPath.isEmpty ? context.debugDescription : "at \(context.codingPath.map(\.stringValue).joined(separator: "."))"
        @unknown default: return "unreadable"
        }
    }
}

/// The header as JSON has it: `__metadata__`, and an entry for each tensor.
private struct RawHeader: Decodable {
    var metadata: [String: String] = [:]
    var entries: [String: RawEntry] = [:]

    private struct Key: CodingKey {
        let stringValue: String
        var intValue: Int? { nil }
        init(stringValue: String) { self.stringValue = stringValue }
        init?(intValue: Int) { nil }
    }

    init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: Key.self)
        for key in container.allKeys {
            if key.stringValue == "__metadata__" {
                metadata = try container.decode([String: String].self, forKey: key)
            } else {
                entries[key.stringValue] = try container.decode(RawEntry.self, forKey: key)
            }
        }
    }
}

private struct RawEntry: Decodable {
    let dtype: String
    let shape: [Int]
    let offsets: [Int]

    enum CodingKeys: String, CodingKey {
        case dtype, shape
        case offsets = "data_offsets"
    }
}
