import ArgumentParser
import NIOCore
import NIOPosix
import NIOHTTP1
import ServiceLifecycle
print("hi")
