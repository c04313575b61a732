import Foundation
import NeedletailTestSupport
import NeedletailTool
import Testing

@Suite("Vector files")
struct VectorFileTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private func write(_ name: String, _ bytes: [UInt8]) throws -> String {
        let path = folder.path(name)
        try Data(bytes).write(to: URL(fileURLWithPath: path))
        return path
    }

    private func int32(_ value: Int32) -> [UInt8] { withUnsafeBytes(of: value.littleEndian) { Array($0) } }

    private func floats(_ values: [Float]) -> [UInt8] { values.withUnsafeBytes { Array($0) } }

    private func npy(_ header: String, version: UInt8 = 1, data: [UInt8]) -> [UInt8] {
        let header = Array((header + "\n").utf8)
        let length: [UInt8] = version == 1
            ? [UInt8(header.count & 255), UInt8(header.count >> 8)] : int32(Int32(header.count))
        return [0x93] + Array("NUMPY".utf8) + [version, 0] + length + header + data
    }

    private func rows(_ file: VectorFile) -> [Float] {
        Array(unsafeUninitializedCapacity: file.count * file.dimension) { buffer, count in
            file.copy(rows: 0 ..< file.count, into: UnsafeMutableBufferPointer(rebasing: buffer[..<(file.count * file.dimension)]))
            count = file.count * file.dimension
        }
    }

    @Test("fvecs: rows behind their dimensions")
    func fvecs() throws {
        let file = try VectorFile(path: write("a.fvecs", int32(2) + floats([1, 2]) + int32(2) + floats([3, -4.5])))
        #expect(file.count == 2 && file.dimension == 2 && file.stride == 12 && file.isMappedFloat)
        #expect(rows(file) == [1, 2, 3, -4.5])
        try file.checkHeaders(ofRows: 0 ..< 2)
    }

    @Test("bvecs: bytes are numbers from 0 to 255")
    func bvecs() throws {
        let file = try VectorFile(path: write("a.BVECS", int32(3) + [0, 128, 255] + int32(3) + [1, 2, 3]))
        #expect(file.count == 2 && file.dimension == 3)
        #expect(rows(file) == [0, 128, 255, 1, 2, 3])
    }

    @Test("npy: every component type, both header lengths", arguments: [1, 2, 3] as [UInt8])
    func npyComponents(version: UInt8) throws {
        func read(_ descr: String, _ data: [UInt8]) throws -> [Float] {
            let header = "{'descr': '\(descr)', 'fortran_order': False, 'shape': (2, 2), }"
            return rows(try VectorFile(path: write("a.npy", npy(header, version: version, data: data))))
        }
        #expect(try read("<f4", floats([1, 2, 3, 4])) == [1, 2, 3, 4])
        #expect(try read("<f8", [1, 2, 3, 4e-3].withUnsafeBytes { Array($0) }) == [1, 2, 3, 4e-3])
        // 1, -2, the smallest subnormal and the largest number of a half.
        #expect(try read("<f2", [0x00, 0x3C, 0x00, 0xC0, 0x01, 0x00, 0xFF, 0x7B]) == [1, -2, 0x1p-24, 65504])
        #expect(try read("|i1", [1, 0xFF, 0x80, 127]) == [1, -1, -128, 127])
        #expect(try read("|u1", [1, 255, 128, 0]) == [1, 255, 128, 0])
    }

    @Test("what lies or is cut off is refused with the place and a remedy")
    func lies() throws {
        func message(_ name: String, _ bytes: [UInt8]) throws -> String {
            let path = try write(name, bytes)
            do throws(InputError) {
                _ = try VectorFile(path: path)
                return "no error"
            } catch {
                #expect(error.status == .badData)
                return error.description.replacing(folder.path("") , with: "")
            }
        }
        #expect(try message("a.fvecs", []).contains("empty"))
        #expect(try message("a.fvecs", [1, 0]).contains("cut off"))
        #expect(try message("a.fvecs", int32(0) + floats([1])).contains("dimension 0 makes no sense"))
        #expect(try message("a.fvecs", int32(-3) + floats([1])).contains("dimension -3 makes no sense"))
        #expect(try message("a.fvecs", int32(.max) + floats([1])).contains("makes no sense"))
        #expect(try message("a.fvecs", int32(2) + floats([1, 2]) + int32(2) + floats([1])).contains("row 1 (byte 12): the file ends 8 bytes into a row of 12"))
        #expect(try message("a.npy", Array("hello, world".utf8)).contains("not a .npy file"))
        #expect(try message("a.npy", npy("{'descr': '<f4', 'fortran_order': True, 'shape': (1, 2)}", data: floats([1, 2]))).contains("Fortran"))
        #expect(try message("a.npy", npy("{'descr': '<f4', 'fortran_order': False, 'shape': (3, 2)}", data: floats([1, 2]))).contains("claims 3 rows"))
        #expect(try message("a.npy", npy("{'descr': '<f4', 'fortran_order': False, 'shape': (2,)}", data: floats([1, 2]))).contains("two axes"))
        #expect(try message("a.npy", npy("{'descr': '<f4', 'fortran_order': False, 'shape': (1, 0)}", data: [])).contains("dimension 0"))
        #expect(try message("a.npy", npy("{'descr': '>f4', 'fortran_order': False, 'shape': (1, 2)}", data: floats([1, 2]))).contains("big-endian"))
        #expect(try message("a.npy", npy("{'descr': '<i8', 'fortran_order': False, 'shape': (1, 1)}", data: floats([1, 2]))).contains("'<i8' are not read"))
        #expect(try message("a.npy", npy("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,)}", data: floats([1]))).contains("descr"))
        #expect(try message("a.npy", npy("{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999, 99999)}", data: [])).contains("claims"))
        #expect(try message("a.npy", npy("{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999, 2)}", data: [])).contains("makes no sense"))
        #expect(try message("a.npy", [0x93] + Array("NUMPY".utf8) + [1, 0, 0xFF, 0xFF]).contains("header claims"))
    }

    @Test("a row whose dimension changes is found")
    func changingDimension() throws {
        let file = try VectorFile(path: write("a.fvecs", int32(2) + floats([1, 2]) + int32(3) + floats([3, 4])))
        #expect { try file.checkHeaders(ofRows: 0 ..< 2) } throws: { ($0 as? InputError)?.place == .row(1, offset: 12) }
    }

    @Test("a missing file and a folder are errors of the system")
    func missing() throws {
        for path in [folder.path("none.fvecs"), folder.path("")] {
            #expect { try MappedFile(path: path) } throws: { ($0 as? InputError)?.status == .io }
        }
    }

    @Test("headers cut anywhere never crash", arguments: [11] as [UInt64])
    func fuzz(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        let good = npy("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2), }", data: floats([1, 2, 3, 4]))
        for _ in 0 ..< 300 {
            var bytes = Array(good.prefix(Int.random(in: 0 ... good.count, using: &random)))
            for _ in 0 ..< Int.random(in: 0 ... 3, using: &random) where !bytes.isEmpty {
                bytes[Int.random(in: 0 ..< bytes.count, using: &random)] = UInt8.random(in: 0 ... 255, using: &random)
            }
            for name in ["f.npy", "f.fvecs"] {
                if let file = try? VectorFile(path: write(name, bytes)) { _ = rows(file) }
            }
        }
    }

    @Test("files of several component types are stored as f32, which loses nothing of either")
    func mixedComponents() throws {
        let half = try write("h.npy", npy("{'descr': '<f2', 'fortran_order': False, 'shape': (1, 1), }", data: [0, 0x3C]))
        let single = try write("s.npy", npy("{'descr': '<f4', 'fortran_order': False, 'shape': (1, 1), }", data: floats([0.1])))
        #expect(try LoadPlan(files: [half], schema: nil, options: .init()).component == .f16)
        #expect(try LoadPlan(files: [half, single], schema: nil, options: .init()).component == nil)
    }
}
