#include "textflag.h"

// func Memory(p unsafe.Pointer, bytes uintptr)
TEXT ·Memory(SB), NOSPLIT, $0-16
	MOVQ p+0(FP), AX
	MOVQ bytes+8(FP), CX
	ADDQ AX, CX

line:
	PREFETCHT0 (AX)
	ADDQ $64, AX
	CMPQ AX, CX
	JCS  line
	RET
