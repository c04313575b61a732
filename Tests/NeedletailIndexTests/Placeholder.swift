// NeedletailIndexTests
