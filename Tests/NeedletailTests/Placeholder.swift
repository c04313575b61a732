// NeedletailTests
