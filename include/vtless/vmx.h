/* SPDX-License-Identifier: MIT
 *
 * The software VMX processor as a C library: what a hypervisor's VMX instructions find where silicon would
 * be. C99 and C++. docs/c-abi.md shows how a hypervisor is put on it.
 *
 * Addresses   Every address of memory is host-physical (HPA), in bytes, unless a comment says otherwise:
 * memory is RAM at [0, memory_bytes). Guest-physical addresses exist only behind the EPT that you build.
 * Outcomes    A function that stands for an instruction returns a vtless_outcome: the four ends that the SDM
 *             gives it, and VTLESS_MISUSE where the call made no sense, in which case nothing has happened.
 * The other functions return a vtless_error. Outputs are written on success only. Handles     A closed handle
 * is refused like a null one. Pointers that you pass must otherwise be good. Threads     The calls that
 * concern one machine, its processors' included, must come one at a time. While a guest runs in another
 * thread they are refused with VTLESS_BUSY; vtless_request_exit alone may be called then. Different machines
 * have nothing to do with each other. Time        Is simulated, and passes only while a guest runs and on VM
 * entry and VM exit. The same calls give the same results, to the bit. Growth      A minor version adds
 * functions, and members at the end of the structs that begin with `size`, which the caller sets to sizeof. A
 * major version may change anything. vtless_open compares.
 *
 * SDM: Intel 64 and IA-32 Architectures Software Developer's Manual.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define VTLESS_API __attribute__((visibility("default")))
#else
#define VTLESS_API
#endif

#define VTLESS_ABI_MAJOR 1u
#define VTLESS_ABI_MINOR 1u

/* Of the library that is loaded: major << 16 | minor. */
VTLESS_API uint32_t vtless_abi_version(void);

/* ------------------------------------------------------------------------------------------------- errors */

typedef int32_t vtless_error;
enum {
    VTLESS_OK = 0,
    VTLESS_BAD_HANDLE = 1,  /* null, or closed */
    VTLESS_BAD_POINTER = 2, /* null where something is needed */
    VTLESS_BAD_VERSION = 3, /* of the ABI, or a struct of another size or with unknown members set */
    VTLESS_BAD_SIZE = 4,    /* of memory, of a range, or of a buffer */
    VTLESS_BAD_ADDRESS = 5, /* not memory, not aligned, or not allocated */
    VTLESS_BAD_VALUE = 6,
    VTLESS_BAD_PROFILE = 7, /* no processor of this name, or a broken file */
    VTLESS_NO_MEMORY = 8,   /* no frame left, or the host gives none */
    VTLESS_NO_ENGINE = 9,   /* Unicorn is not what is needed */
    VTLESS_BUSY = 10,       /* a guest of this machine runs in another thread */
    VTLESS_NOTHING = 11     /* there is none of what was asked for */
};

/* What the last call of this thread that returned an error, or VTLESS_MISUSE, had against it: one sentence.
 * Good until the next such call of this thread. Never null. */
VTLESS_API const char* vtless_error_text(void);

enum {
    VTLESS_SUCCEED = 0,      /* VMsucceed, or the instruction was executed */
    VTLESS_FAIL_INVALID = 1, /* VMfailInvalid */
    VTLESS_FAIL_VALID = 2,   /* VMfailValid(number) */
    VTLESS_FAULT = 3,        /* the instruction raised an exception instead */
    VTLESS_MISUSE = 4        /* not an instruction's outcome */
};

/* SDM Vol. 3C "Conventions" (31.2), "VM Instruction Error Numbers" (31.4). */
typedef struct vtless_outcome {
    uint32_t kind;
    uint32_t number;     /* FAIL_VALID: VM-instruction error. FAULT: vector. MISUSE: vtless_error. Else 0. */
    uint32_t error_code; /* FAULT: of the exception. Else 0. */
} vtless_outcome;

/* ------------------------------------------------------------------------------- machines and processors */

typedef struct vtless_machine vtless_machine;
typedef struct vtless_processor vtless_processor;

typedef struct vtless_machine_config {
    uint32_t size;     /* sizeof(vtless_machine_config) */
    uint32_t reserved; /* 0 */
    uint64_t
        memory_bytes; /* a multiple of 4096, of at least 8192 and at most 64 GiB; committed on first use */
    const char* cpu_profile; /* what `vtless cpus` lists, or a path with a '/' or the ending ".json";
                              * null or "default": all that the engine can do */
} vtless_machine_config;

/* Memory, zeroed, without a processor. Pass VTLESS_ABI_MAJOR and VTLESS_ABI_MINOR: the version that the
 * caller was compiled for, of which the library must have the same major and at least the minor. */
VTLESS_API vtless_error vtless_open(uint32_t abi_major, uint32_t abi_minor,
                                    const vtless_machine_config* config, vtless_machine** machine);
/* Closes its processors too, and ends all mappings. Null: nothing. */
VTLESS_API vtless_error vtless_close(vtless_machine* machine);

/* A logical processor at CPL 0 of a 64-bit kernel, outside VMX operation, IA32_FEATURE_CONTROL locked with
 * VMX enabled, CR4.VMXE 0. Processors of one machine share its memory and nothing else; their guests run when
 * they are entered, not at once. Caution: nothing tells if a VMCS is active on two of them. */
VTLESS_API vtless_error vtless_add_processor(vtless_machine* machine, vtless_processor** processor);
VTLESS_API vtless_error vtless_remove_processor(vtless_processor* processor);

/* ------------------------------------------------------------------------------------------ host memory */

VTLESS_API uint64_t vtless_memory_size(vtless_machine* machine); /* in bytes; 0 of a bad handle */

/* Frames of 4096 bytes, zeroed, physically contiguous. alignment: in bytes, a power of two of at least 4096.
 * Which ones depends on the calls made alone. Address 0 is never handed out. */
VTLESS_API vtless_error vtless_alloc_frames(vtless_machine* machine, uint64_t count, uint64_t alignment,
                                            uint64_t* hpa);
/* All must be allocated; none is freed otherwise. */
VTLESS_API vtless_error vtless_free_frames(vtless_machine* machine, uint64_t hpa, uint64_t count);

/* Copies. Whatever the bytes are used for, nothing else is to be done. */
VTLESS_API vtless_error vtless_read(vtless_machine* machine, uint64_t hpa, void* to, uint64_t bytes);
VTLESS_API vtless_error vtless_write(vtless_machine* machine, uint64_t hpa, const void* from, uint64_t bytes);

enum {
    /* Write through the pointer whatever you like, whenever no guest runs: before each VM entry the processor
     * looks whether code that it keeps translated has changed. That takes time for each page of the range,
     * and for each byte of code in it. */
    VTLESS_MAP_CHECKED = 0,
    /* You promise to call vtless_note_write for what you write, if the guest may execute it. VM entries cost
     * nothing more; forgotten, the guest may run the code that was there before. */
    VTLESS_MAP_NOTED = 1
};
/* A pointer to the bytes at hpa. Good until vtless_unmap or vtless_close. Ranges may overlap; a page of any
 * range that is CHECKED is looked at. */
VTLESS_API vtless_error vtless_map(vtless_machine* machine, uint64_t hpa, uint64_t bytes, uint32_t mode,
                                   void** pointer);
/* Ends one mapping that vtless_map returned. */
VTLESS_API vtless_error vtless_unmap(vtless_machine* machine, void* pointer);
/* Before the next VM entry, for code. As on silicon, changed paging structures need INVEPT or INVVPID
 * instead. */
VTLESS_API vtless_error vtless_note_write(vtless_machine* machine, uint64_t hpa, uint64_t bytes);

/* -------------------------------------------------------------------------------------- VMX instructions */
/* In root operation at CPL 0. SDM Vol. 3C "VMX Instruction Reference" (31). They take no simulated time. */

VTLESS_API vtless_outcome vtless_vmxon(vtless_processor* processor, uint64_t hpa);
VTLESS_API vtless_outcome vtless_vmxoff(vtless_processor* processor);
VTLESS_API vtless_outcome vtless_vmclear(vtless_processor* processor, uint64_t hpa);
VTLESS_API vtless_outcome vtless_vmptrld(vtless_processor* processor, uint64_t hpa);
VTLESS_API vtless_outcome vtless_vmptrst(vtless_processor* processor,
                                         uint64_t* hpa); /* ~0: no current VMCS */
/* field: the encoding of SDM Vol. 3D "Field Encoding in VMCS" (Appendix B). Fields narrower than 64 bits are
 * zero-extended, and cut on a write. */
VTLESS_API vtless_outcome vtless_vmread(vtless_processor* processor, uint32_t field, uint64_t* value);
VTLESS_API vtless_outcome vtless_vmwrite(vtless_processor* processor, uint32_t field, uint64_t value);

/* In the order of ModR/M and of exit qualifications: RAX RCX RDX RBX RSP RBP RSI RDI R8 to R15. gpr[4] is
 * neither read nor written: the guest's RSP is VMCS field GUEST_RSP. */
typedef struct vtless_gprs {
    uint64_t gpr[16];
} vtless_gprs;

/* Enter the guest with these registers, and return with them as the guest left them, after a VM exit: SUCCEED
 * says that control went on at HOST_RIP, which is where this call returns. That includes an entry that failed
 * after it had begun: bit 31 of EXIT_REASON, SDM Vol. 3C "VM-Entry Failures During or After Loading Guest
 * State" (27.8); the registers are then unchanged. FAULT with vector 8 is a VMX abort. x87 and SSE registers
 * are not switched, as on silicon. */
VTLESS_API vtless_outcome vtless_vmlaunch(vtless_processor* processor, vtless_gprs* gprs);
VTLESS_API vtless_outcome vtless_vmresume(vtless_processor* processor, vtless_gprs* gprs);

/* type and descriptor (128 bits, low half first) as the instruction takes them. */
VTLESS_API vtless_outcome vtless_invept(vtless_processor* processor, uint64_t type,
                                        const uint64_t descriptor[2]);
VTLESS_API vtless_outcome vtless_invvpid(vtless_processor* processor, uint64_t type,
                                         const uint64_t descriptor[2]);

/* -------------------------------------------------------------- registers of root operation, at CPL 0 */

VTLESS_API vtless_outcome vtless_rdmsr(vtless_processor* processor, uint32_t msr, uint64_t* value);
VTLESS_API vtless_outcome vtless_wrmsr(vtless_processor* processor, uint32_t msr, uint64_t value);
VTLESS_API vtless_outcome vtless_xgetbv(vtless_processor* processor, uint32_t index, uint64_t* value);
VTLESS_API vtless_outcome vtless_xsetbv(vtless_processor* processor, uint32_t index, uint64_t value);
VTLESS_API vtless_outcome vtless_rdtsc(vtless_processor* processor, uint64_t* value);

/* MOV CR: 0, 2, 3 and 4; no other is there: #UD. CR2 is shared with the guest, as on silicon. A write to CR3
 * is #UD as well: root operation has no paging of its own, and HOST_CR3 is what a VM exit loads. */
VTLESS_API vtless_outcome vtless_read_cr(vtless_processor* processor, uint32_t number, uint64_t* value);
VTLESS_API vtless_outcome vtless_write_cr(vtless_processor* processor, uint32_t number, uint64_t value);
/* MOV DR, 0 to 7. DR0 to DR3 and DR6 are shared with the guest. */
VTLESS_API vtless_outcome vtless_read_dr(vtless_processor* processor, uint32_t number, uint64_t* value);
VTLESS_API vtless_outcome vtless_write_dr(vtless_processor* processor, uint32_t number, uint64_t value);

typedef struct vtless_cpuid_result {
    uint32_t eax;
    uint32_t ebx;
    uint32_t ecx;
    uint32_t edx;
} vtless_cpuid_result;
VTLESS_API vtless_outcome vtless_cpuid(vtless_processor* processor, uint32_t leaf, uint32_t subleaf,
                                       vtless_cpuid_result* result);

/* What a hypervisor copies into the host-state area. Bases are linear addresses of the simulated kernel:
 * there is no memory behind them for you to follow. */
typedef struct vtless_descriptor_table {
    uint64_t base;
    uint32_t limit;
    uint32_t reserved;
} vtless_descriptor_table;
VTLESS_API vtless_outcome vtless_sgdt(vtless_processor* processor, vtless_descriptor_table* table);
VTLESS_API vtless_outcome vtless_sidt(vtless_processor* processor, vtless_descriptor_table* table);

enum {
    VTLESS_ES = 0,
    VTLESS_CS = 1,
    VTLESS_SS = 2,
    VTLESS_DS = 3,
    VTLESS_FS = 4,
    VTLESS_GS = 5,
    VTLESS_LDTR = 6,
    VTLESS_TR = 7
};
typedef struct vtless_segment {
    uint64_t base;
    uint32_t selector;
    uint32_t reserved;
} vtless_segment;
VTLESS_API vtless_outcome vtless_read_segment(vtless_processor* processor, uint32_t segment,
                                              vtless_segment* value);

/* ------------------------------------------------------------------- the platform around the processor */

/* Pending until the guest or you acknowledge it, or it is withdrawn. It becomes a VM exit or, without
 * external-interrupt exiting, the guest's. vector: 0 to 255. */
VTLESS_API vtless_error vtless_raise_interrupt(vtless_processor* processor, uint32_t vector);
VTLESS_API vtless_error vtless_withdraw_interrupt(vtless_processor* processor, uint32_t vector);
VTLESS_API vtless_error vtless_raise_nmi(vtless_processor* processor);
VTLESS_API vtless_error vtless_withdraw_nmi(vtless_processor* processor);
/* Root operation acknowledges the highest pending vector, as it would by taking it with RFLAGS.IF set.
 * VTLESS_NOTHING: none is pending. */
VTLESS_API vtless_error vtless_take_interrupt(vtless_processor* processor, uint32_t* vector);
/* One shot: raises the vector when RDTSC of root operation reaches tsc. tsc ~0 turns it off. */
VTLESS_API vtless_error vtless_set_host_timer(vtless_processor* processor, uint64_t tsc, uint32_t vector);
/* HLT in root operation: time passes until an interrupt or NMI is pending. VTLESS_NOTHING: none will ever be.
 */
VTLESS_API vtless_error vtless_idle(vtless_processor* processor);
/* From any thread: the guest exits soon, by an external interrupt with vector 255, or by an INIT signal if it
 * takes external interrupts itself. When, is not deterministic. */
VTLESS_API vtless_error vtless_request_exit(vtless_processor* processor);

/* ------------------------------------------------------------------------------- looking at what happened */

/* Fields of the current VMCS, as VMREAD gives them. SDM Vol. 3C "VM-Exit Information Fields" (25.9). */
typedef struct vtless_exit_info {
    uint32_t size; /* sizeof(vtless_exit_info): set it before the call */
    uint32_t reason;
    uint64_t qualification;
    uint64_t guest_linear_address;   /* GVA */
    uint64_t guest_physical_address; /* GPA */
    uint32_t instruction_length;
    uint32_t instruction_information;
    uint32_t interruption_information;
    uint32_t interruption_error_code;
    uint32_t idt_vectoring_information;
    uint32_t idt_vectoring_error_code;
    const char* name; /* of the basic reason, like "EPT_VIOLATION"; "?" if it has none. Static. */
} vtless_exit_info;
/* FAIL_INVALID and FAULT as VMREAD. */
VTLESS_API vtless_outcome vtless_last_exit(vtless_processor* processor, vtless_exit_info* info);

/* The check that the last VMLAUNCH or VMRESUME failed. The texts are good until the next, or until the
 * processor is removed. `vtless vmcs checks` lists all checks. */
typedef struct vtless_entry_failure {
    uint32_t size; /* sizeof(vtless_entry_failure): set it before the call */
    uint32_t reserved;
    const char* check;    /* stable id, like "guest.rflags.if" */
    const char* section;  /* of the SDM, title and number */
    const char* sentence; /* what the check asks for */
    const char* field;    /* by the SDM's name */
    uint64_t value;       /* what the field held */
    const char* allowed;  /* which values it could hold, the other fields being as they are */
} vtless_entry_failure;
/* VTLESS_NOTHING: it did not fail, or failed before its checks; or its VM exit was a VMX abort, of which
 * vtless_error_text() then says what caused it. */
VTLESS_API vtless_error vtless_explain_entry(vtless_processor* processor, vtless_entry_failure* failure);

/* Both write text with a final NUL of at most `capacity` bytes, cut if need be, and its whole length without
 * the NUL to *length (may be null). buffer may be null if capacity is 0. VTLESS_NOTHING: there is no current
 * VMCS.
 *
 * Every check that the current VMCS violates, for people; and all its fields as JSON that `vtless vmcs
 * explain` reads. */
VTLESS_API vtless_error vtless_explain_vmcs(vtless_processor* processor, char* buffer, size_t capacity,
                                            size_t* length);
VTLESS_API vtless_error vtless_dump_vmcs(vtless_processor* processor, char* buffer, size_t capacity,
                                         size_t* length);

/* Simulated cycles and guest instructions since the processor was added. */
VTLESS_API vtless_error vtless_counters(vtless_processor* processor, uint64_t* cycles,
                                        uint64_t* instructions);
/* Whether the last guest ended in HLT, with nothing left that could wake it; the exit is INIT_SIGNAL then. */
VTLESS_API vtless_error vtless_stalled(vtless_processor* processor, uint32_t* stalled);

/* ------------------------------------------------------------------------------------------ the sanitizer */

/* Since 1.1. Watches every processor that is added from now on for misuse that silicon tolerates, or punishes
 * later, forgotten invalidations included: what is cached stays cached until the architecture makes it go.
 * `vtless sanitize rules` lists what is looked for. VTLESS_BAD_VALUE: there is a processor already. */
VTLESS_API vtless_error vtless_sanitize(vtless_machine* machine);
/* Since 1.1. Distinct findings so far. VTLESS_NOTHING: there is no sanitizer. */
VTLESS_API vtless_error vtless_finding_count(vtless_machine* machine, uint64_t* count);
/* Since 1.1. All of them as JSON, as vtless_dump_vmcs gives its text. VTLESS_NOTHING: as above. */
VTLESS_API vtless_error vtless_findings(vtless_machine* machine, char* buffer, size_t capacity,
                                        size_t* length);
/* Since 1.1. You keep this event for the guest of the VMCS at this address until you can inject it: a VM
 * entry that leaves it waiting without need is a finding. event: as VM-entry interruption information. */
VTLESS_API vtless_error vtless_note_event(vtless_processor* processor, uint64_t vmcs, uint32_t event);

#ifdef __cplusplus
} /* extern "C" */
#endif
