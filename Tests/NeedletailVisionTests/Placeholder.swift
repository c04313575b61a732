// NeedletailVisionTests
