import CBareBLAS

/// The rate of OpenBLAS's single-precision matrix product on one thread, by which the embedding figures are scaled.
struct SgemmFigure {
    func run() {
        openblas_set_num_threads(1)
        for (m, n, k) in [(2_048, 2_048, 2_048), (197, 384, 1_536)] {
            let a = [Float](repeating: 0.5, count: m * k)
            let b = [Float](repeating: 0.25, count: k * n)
            var c = [Float](repeating: 0, count: m * n)
            let operations = 2 * Double(m) * Double(n) * Double(k)
            let repeats = max(1, Int(17e9 / operations))
            let rates = (0 ..< 9).map { _ in
                let seconds = Figures.seconds {
                    for _ in 0 ..< repeats {
                        cblas_sgemm(
                            CblasRowMajor, CblasNoTrans, CblasNoTrans, Int32(m), Int32(n), Int32(k), 1, a, Int32(k), b, Int32(n), 0, &c, Int32(n))
                    }
                }
                return operations * Double(repeats) / seconds / 1e9
            }
            let core = String(cString: openblas_get_corename())
            Measurement("sgemm", "\(m) × \(n) × \(k), one thread", unit: "GFLOP/s", runs: rates, note: "OpenBLAS, core \(core)").print()
        }
    }
}
