// SPDX-License-Identifier: MIT
// Where the processor's state lies in Unicorn's saved context.
#pragma once

#include <cstddef>
#include <cstdint>

namespace vtless::sim::layout {

// Byte offsets into the context of Unicorn 2.1's x86 core. They are nobody's promise: Engine::create checks
// each of them with sentinels (guest_mode.cc) and refuses a library that differs.
inline constexpr size_t kContextSize = 5608;

inline constexpr size_t kGprs = 40;  // uint64_t[16], in encoding order
inline constexpr size_t kRip = 168;  // uint64_t
inline constexpr size_t kRflags =
    176;  // uint64_t, whole between runs; without arithmetic flags and DF inside one
inline constexpr size_t kCcDst = 184;      // uint64_t
inline constexpr size_t kCcSrc = 192;      // uint64_t: OF SF ZF AF PF CF while kCcOp is kCcOpFlags
inline constexpr size_t kCcOp = 208;       // uint32_t
inline constexpr size_t kDirection = 212;  // int32_t: 1, or -1 while DF is set
inline constexpr size_t kHflags = 216;     // uint32_t, see below
inline constexpr size_t kSegments = 224;   // kSegmentSize each: ES CS SS DS FS GS LDTR TR
inline constexpr size_t kGdtr = 416;       // same shape
inline constexpr size_t kIdtr = 440;
inline constexpr size_t kCr0 = 464;  // uint64_t each
inline constexpr size_t kCr2 = 480;
inline constexpr size_t kCr3 = 488;
inline constexpr size_t kCr4 = 496;
inline constexpr size_t kEfer = 632;
inline constexpr size_t kSysenterCs = 4840;  // uint32_t
inline constexpr size_t kSysenterEsp = 4848;
inline constexpr size_t kSysenterEip = 4856;
inline constexpr size_t kStar = 4864;
inline constexpr size_t kLstar = 4880;
inline constexpr size_t kCstar = 4888;
inline constexpr size_t kFmask = 4896;
inline constexpr size_t kKernelGsBase = 4904;
inline constexpr size_t kTscAux = 4936;
inline constexpr size_t kXcr0 = 4944;
inline constexpr size_t kErrorCode = 5424;            // int32_t, of the last exception
inline constexpr size_t kIntercepts = 5560;           // uint64_t, SVM's two intercept words
inline constexpr size_t kInterceptCrRead = 5568;      // uint16_t
inline constexpr size_t kInterceptCrWrite = 5570;     // uint16_t
inline constexpr size_t kInterceptDrRead = 5572;      // uint16_t
inline constexpr size_t kInterceptDrWrite = 5574;     // uint16_t
inline constexpr size_t kInterceptExceptions = 5576;  // uint32_t

// In uc_engine itself, not in the context.
inline constexpr size_t kEngineCpu = 440;            // pointer to the processor object
inline constexpr size_t kEngineFaultAddress = 1416;  // uint64_t: linear address of the last refused access

inline constexpr size_t kEngineExits = 1944;  // pointer to the tree of addresses where it stops

// In that tree: what orders it, int (*)(const void* key, const void* of_a_node, void* data), and that data.
inline constexpr size_t kTreeRoot = 0;
inline constexpr size_t kTreeCompare = 8;
inline constexpr size_t kTreeData = 32;
inline constexpr size_t kTreeSize = 48;
inline constexpr size_t kNodeKey = 0;  // pointer to the address

// In what a uc_hook points to.
inline constexpr size_t kHookRange = 24;  // uint64_t[2]: the first and the last linear address

// In the processor object: the state that contexts are copies of, from kGprs on.
inline constexpr size_t kCpuGprs = 0x8a50;

inline constexpr size_t kSegmentSize = 24;
inline constexpr size_t kSegmentSelector = 0;  // uint32_t
inline constexpr size_t kSegmentPadding = 4;   // uint32_t that Unicorn does not use; of LDTR it is ours
inline constexpr size_t kSegmentBase = 8;      // uint64_t
inline constexpr size_t kSegmentLimit = 16;    // uint32_t, in bytes
inline constexpr size_t kSegmentFlags = 20;    // uint32_t: the descriptor's high word

inline constexpr uint32_t kCcOpFlags = 1;
inline constexpr uint64_t kEferSvme = 1u << 12;  // the engine's own; the guest never sees it

// Mode flags that the translator keys its code by.
inline constexpr uint32_t kCplMask = 3;
inline constexpr uint32_t kShadow = 1u << 3;
inline constexpr uint32_t kCode32 = 1u << 4;
inline constexpr uint32_t kStack32 = 1u << 5;
inline constexpr uint32_t kAddSegment = 1u << 6;
inline constexpr uint32_t kProtected = 1u << 7;
inline constexpr uint32_t kFpuMask = 7u << 9;  // CR0's MP, EM, TS
inline constexpr uint32_t kLongMode = 1u << 14;
inline constexpr uint32_t kCode64 = 1u << 15;
inline constexpr uint32_t kOsfxsr = 1u << 22;
inline constexpr uint32_t kSmap = 1u << 23;

}  // namespace vtless::sim::layout
