/// Vectors by slot: block b holds rows b << blockShift ..., vector at pointers[b] + (slot & mask) * stride, its norm at (pointers[b] + (1 << blockShift) * stride) as Float32.
package struct VectorBlocks: @unchecked Sendable {
    package let pointers: UnsafePointer<UnsafeRawPointer>
    package let blockCount: Int
    package let blockShift: Int
    package let stride: Int
    package let count: Int

    package init(pointers: UnsafePointer<UnsafeRawPointer>, blockCount: Int, blockShift: Int, stride: Int, count: Int) {
        self.pointers = pointers
        self.blockCount = blockCount
        self.blockShift = blockShift
        self.stride = stride
        self.count = count
    }
}
