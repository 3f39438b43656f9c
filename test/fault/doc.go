// Package fault holds the tests that take parts away, damage what they left,
// and forge what they say, and then look whether calls were refused or changes
// lost. It wires the real parts as cmd/portico does, so that each can end and
// come back alone; what has to be killed from outside, or be several, runs as
// processes. It deliberately replaces nothing but the upstream.
//
// # Which test shows which promise
//
// Of RELIABILITY.md (the numbers at size are the rows of `make bench`, parts
// "fleet" and "size"):
//
//	P1  the data plane does not need the control plane
//	    TestGatewaysNeedNobody, TestNodeStartedAloneServesFromItsDisk,
//	    TestCallsGoOnWithoutTheBusAndChangesFollow, TestCallsGoOnWithoutTheManagerAndChangesFollow,
//	    TestDamagedCopyIsUsedWholeOrNotAtAll, TestUnreadableCopyIsSaidAndNotServed
//	P2  changes arrive at once and in order
//	    TestRevisionsArriveInOrderAndWhole, TestBusKilledTwentyTimesUnderLoadLosesNoChange,
//	    TestNodeIsReadyOnlyWithEverything
//	P3  revocation is a change like any other
//	    TestRevocationHoldsOnEveryNodeThatConfirmsIt, TestNodeThatIsCutOffIsNamedAndNotCounted,
//	    TestStoppedNodeIsNamedAndCatchesUp, TestRevocationHoldsOnANodeThatStartsFromAnOldCopy,
//	    TestNodePastMaxStaleSaysSoOrRefusesBySetting
//	P4  a bad entry harms only itself
//	    TestForeignEntriesHarmOnlyThemselvesAndAreRepaired, TestBadEntryIsReportedAndTheLastGoodOneStays
//	P5  usage is counted exactly once
//	    TestUsageIsCountedOnceThroughTheLossOfEverythingBehindTheNodes,
//	    TestKilledNodeLosesAtMostWhatWasUnderWay, TestServeCountsItsOwnCallsAndLosesNoneAtItsEnd
//	P7  restarts and deploys lose nothing
//	    TestRollingRestartFailsNoCallAndNoChange; and gateway.TestDrainFailsNoCall,
//	    gateway.TestDrainGivesUpWhenItsTimeIsOver, e2e.TestTermAndPublishUnderLoadFailNoRequest
//	P8  a bad upstream harms only itself
//	    TestBlackHoleHarmsOnlyItself; and gateway.TestBlackHoleHarmsOnlyItself, in every lane,
//	    gateway.TestHalfThePoolDeadFailsNoCall, e2e.TestHangingUpstreamHarmsOnlyItself, e2e.TestBrokenUpstreamsAreNamed
//	P9  an acknowledged administrative action is in the audit log
//	    TestManagerKilledAmidDecisionsKeepsEachWithItsAuditRow, TestDeliveryPassesToTheOtherManager
//	P10 bad input is refused, plainly, and nothing is lost
//	    TestBadInputIsRefusedPlainlyAndNothingIsLost; and e2e.TestBadFieldsAreNamed,
//	    e2e.TestHostileDocumentsAreRefusedPlainlyInBoundedMemory, e2e.TestOversizedDocumentsAreRefusedHoweverTheyCome
//
// Of ARCHITECTURE.md's table, "what may fail, and what happens":
//
//	manager                          TestCallsGoOnWithoutTheManagerAndChangesFollow,
//	                                 TestDeliveryPassesToTheOtherManager, TestKillAtAnyMomentLosesNothingAcknowledged
//	database                         TestDatabaseAwayStopsChangesAndNoCall (PORTICO_TEST_AWAY=1m: for a minute)
//	NATS                             TestCallsGoOnWithoutTheBusAndChangesFollow, TestBusRestartedTwentyTimesUnderLoadLosesNothing,
//	                                 TestBusKilledTwentyTimesUnderLoadLosesNoChange, TestBucketDeletedUnderARunningNodeIsRebuilt,
//	                                 TestMissingEntriesAreWrittenAgain
//	gateway node                     TestKilledNodeHarmsNoOtherAndComesBackFromItsCopy
//	everything but one gateway node  TestGatewaysNeedNobody
//	a bad entry                      TestBadEntryIsReportedAndTheLastGoodOneStays
//
// Limits over several nodes (P6) are not of this package yet: a limit is each
// node's own.
package fault
