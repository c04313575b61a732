// NeedletailTestSupport
