// NeedletailToolTests
