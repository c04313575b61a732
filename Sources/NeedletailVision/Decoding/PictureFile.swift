#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// Reads a picture file into memory. Not mapped: another program may cut a mapped file short, and the access that finds
/// out kills the process.
enum PictureFile {
    /// The file's bytes. Only the first few are read of a file that is no picture, so that a film named `.jpg` costs nothing.
    ///
    /// - Throws: ``VisionError`` if there is no such file, it is no regular file, larger than `maximumByteCount`, cannot be
    ///   read, or holds no picture.
    static func read(_ path: String, maximumByteCount: Int) throws(VisionError) -> [UInt8] {
        // Not to block on opening a named pipe.
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { throw failure(errno, path) }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw failure(errno, path) }
        guard status.st_mode & S_IFMT == S_IFREG else {
            let kind = status.st_mode & S_IFMT == S_IFDIR ? "a folder" : "no regular file"
            throw VisionError(.io, "\(path) is \(kind); name a picture file", path: path)
        }
        let byteCount = Int(status.st_size)
        guard byteCount <= maximumByteCount else {
            throw VisionError(
                .tooLarge, "\(path) has \(byteCount) bytes and the limit is \(maximumByteCount); raise maximumByteCount to read it", path: path)
        }
        var bytes = try read(descriptor, offset: 0, count: min(byteCount, FileSignature.byteCount), path: path)
        _ = try bytes.withUnsafeBytes { head in Result { () throws(VisionError) in try ImageDecoder.format(of: head, name: path) } }.get()
        if byteCount > bytes.count { bytes = try read(descriptor, offset: 0, count: byteCount, path: path) }
        return bytes
    }

    /// Up to `count` bytes from `offset` on; fewer only at the end of the file.
    private static func read(_ descriptor: Int32, offset: Int, count: Int, path: String) throws(VisionError) -> [UInt8] {
        var failed: Int32 = 0
        let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
            while filled < count, let start = buffer.baseAddress {
                let step = pread(descriptor, start + filled, count - filled, off_t(offset + filled))
                if step > 0 {
                    filled += step
                } else if step == 0 {
                    break
                } else if errno != EINTR {
                    failed = errno
                    break
                }
            }
        }
        guard failed == 0 else { throw failure(failed, path) }
        return bytes
    }

    private static func failure(_ number: Int32, _ path: String) -> VisionError {
        switch number {
        case ENOENT, ENOTDIR: VisionError(.notFound, "\(path) does not exist", path: path)
        case EACCES, EPERM: VisionError(.io, "\(path) may not be read; check its permissions", path: path)
        default: VisionError(.io, "\(path) cannot be read: \(String(cString: strerror(number)))", path: path)
        }
    }
}
