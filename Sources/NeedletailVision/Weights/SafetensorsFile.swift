import CNeedletailKernels
import Foundation

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// A safetensors file in memory: eight bytes of header length, a JSON header that says type, shape and place of every
/// tensor, then the tensors. The header is checked whole before anything is believed.
///
/// `@unchecked Sendable`: the map is read only and lives as long as the object.
package final class SafetensorsFile: @unchecked Sendable {
    /// The path it was opened by, for messages.
    package let path: String
    /// The free-form strings of the header.
    package let metadata: [String: String]
    package let tensors: [String: SafetensorsHeader.Tensor]

    private let map: UnsafeMutableRawPointer
    private let byteCount: Int
    private let dataOffset: Int

    /// Maps the file and checks its header.
    package init(_ path: String) throws(VisionError) {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            let reason = errno
            if reason == ENOENT || reason == ENOTDIR {
                throw VisionError(.notFound, "there is no model file \(path): check the path", path: path)
            }
            throw VisionError(.io, "the model file \(path) cannot be opened: \(String(cString: strerror(reason)))", path: path)
        }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            throw VisionError(.io, "\(path) is not a regular file: name a .safetensors file or a folder with model.safetensors", path: path)
        }
        let byteCount = Int(status.st_size)
        guard byteCount >= 8 else { throw SafetensorsHeader.invalid(path, "it has \(byteCount) bytes, too few for a header") }
        guard let map = mmap(nil, byteCount, PROT_READ, MAP_PRIVATE, descriptor, 0), map != MAP_FAILED else {
            throw VisionError(.io, "the model file \(path) cannot be mapped: \(String(cString: strerror(errno)))", path: path)
        }
        do {
            let header = try SafetensorsHeader(UnsafeRawBufferPointer(start: map, count: byteCount), path: path)
            metadata = header.metadata
            tensors = header.tensors
            dataOffset = header.dataOffset
        } catch {
            munmap(map, byteCount)
            throw error
        }
        self.path = path
        self.map = map
        self.byteCount = byteCount
    }

    deinit { munmap(map, byteCount) }

    /// The SHA-256 of the whole file in hexadecimal, as `sha256sum` prints it.
    package func sha256() -> String {
        var digest = [UInt8](repeating: 0, count: 32)
        nt_sha256(map, byteCount, &digest)
        return digest.map { byte in (byte < 16 ? "0" : "") + String(byte, radix: 16) }.joined()
    }

    /// The values of a tensor, widened to single precision.
    ///
    /// - Throws: ``VisionError/Code/missingTensor``, or `.unsupportedModel` for a type other than F32, F16 and BF16.
    package func floats(_ key: String) throws(VisionError) -> [Float] {
        guard let tensor = tensors[key] else {
            throw VisionError(.missingTensor, "\(path) has no tensor \(key), which this architecture needs", path: path, tensor: key)
        }
        let start = UnsafeRawPointer(map) + dataOffset + tensor.bytes.lowerBound
        let count = tensor.count
        let widen: (UnsafeMutablePointer<Float>) -> Void
        switch tensor.type {
        case "F32": widen = { UnsafeMutableRawPointer($0).copyMemory(from: start, byteCount: count * 4) }
        case "F16": widen = { nt_unpack_f16(start, count, $0) }
        case "BF16": widen = { nt_unpack_bf16(start, count, $0) }
        default:
            throw VisionError(
                .unsupportedModel, "tensor \(key) of \(path) is of type \(tensor.type): F32, F16 and BF16 can be read; convert the file",
                path: path, tensor: key)
        }
        return [Float](unsafeUninitializedCapacity: count) { buffer, initialized in
            guard let base = buffer.baseAddress, count > 0 else { return }
            widen(base)
            initialized = count
        }
    }
}
