#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// A file mapped for reading from its beginning to its end.
///
/// The pages behind the reader are handed back as it goes on, so a file of any size costs a few megabytes of
/// resident memory. The bytes never change and live as long as the value: that is why it may cross threads.
package final class MappedFile: @unchecked Sendable {
    package let path: String
    package let bytes: UnsafeRawBufferPointer
    private let pageByteCount: Int

    /// - Throws: ``InputError`` where there is no such file, it may not be read, or it is no regular file.
    package init(path: String) throws(InputError) {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw InputError.system(path, "cannot be opened", errno) }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw InputError.system(path, "cannot be read", errno) }
        guard status.st_mode & S_IFMT == S_IFREG else {
            let what = status.st_mode & S_IFMT == S_IFDIR ? "is a folder" : "is no regular file"
            throw InputError(path, status: .io, "\(what); name a file on disk (a pipe cannot be mapped: write it to a file first)")
        }
        self.path = path
        pageByteCount = max(4096, Int(sysconf(Int32(_SC_PAGESIZE))))
        let byteCount = Int(status.st_size)
        guard byteCount > 0 else {
            bytes = UnsafeRawBufferPointer(start: nil, count: 0)
            return
        }
        guard let base = mmap(nil, byteCount, PROT_READ, MAP_PRIVATE, descriptor, 0), base != MAP_FAILED else {
            throw InputError.system(path, "cannot be mapped", errno)
        }
        bytes = UnsafeRawBufferPointer(start: base, count: byteCount)
        _ = madvise(base, byteCount, MADV_SEQUENTIAL)
    }

    deinit {
        if let base = bytes.baseAddress { munmap(UnsafeMutableRawPointer(mutating: base), bytes.count) }
    }

    /// Asks the system to read `range` ahead.
    package func willNeed(_ range: Range<Int>) { advise(range, MADV_WILLNEED) }

    /// Says that `range` is done with: its pages leave this process's memory (they are read again if touched).
    package func release(_ range: Range<Int>) { advise(range, MADV_DONTNEED) }

    private func advise(_ range: Range<Int>, _ advice: Int32) {
        guard let base = bytes.baseAddress else { return }
        let range = range.clamped(to: 0 ..< bytes.count)
        // Only whole pages inside the range: a page shared with what follows is still wanted.
        let lower = (range.lowerBound + pageByteCount - 1) / pageByteCount * pageByteCount
        let upper = range.upperBound == bytes.count ? bytes.count : range.upperBound / pageByteCount * pageByteCount
        guard lower < upper else { return }
        _ = madvise(UnsafeMutableRawPointer(mutating: base + lower), upper - lower, advice)
    }
}

extension InputError {
    /// A failed system call: what it was for, and the system's own word for why.
    package static func system(_ path: String, _ what: String, _ code: Int32) -> InputError {
        InputError(path, status: .io, "\(what): \(String(cString: strerror(code)))")
    }
}
