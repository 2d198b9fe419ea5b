@0xc2b4f7d1a9e36058;
# Everything that crosses the network between a laptop node and an expert node. One message is the
# payload of one frame (docs/wire-protocol.md). After the handshake the laptop asks and the node
# answers; answers may come in any order and name the call they belong to.
#
# Numbers in Data fields are little-endian arrays without padding. `hidden` is the model width (2816
# for Gemma 4 26B-A4B). Every count is checked against the length of its Data before use.
#
# Evolution: fields are only added, never renumbered or reused; a retired field is renamed to
# `obsoleteN`. A change that old readers would misunderstand raises the protocol version in Hello.
#
# Budget: one decode row to one shard, call and result together, stays under 26 KB at hidden 2816.

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("larql::wire");

struct Message {
  union {
    hello @0 :Hello;       # laptop → node, first frame of a connection
    welcome @1 :Welcome;   # node → laptop, answers hello
    refused @2 :Refused;   # node → laptop, answers hello; the node closes afterwards
    call @3 :Call;         # laptop → node
    result @4 :Result;     # node → laptop, answers call
    failed @5 :Failed;     # node → laptop, answers call
    ping @6 :Ping;         # laptop → node
    pong @7 :Pong;         # node → laptop, answers ping
    askStatus @8 :AskStatus;    # laptop or operator → node
    status @9 :NodeStatus;      # node → whoever asked
    control @10 :Control;       # operator → node
    controlled @11 :Controlled; # node → operator, when it is done
    announce @12 :Announce;     # node → laptop, first frame of a connection that the node dialled
    accepted @13 :Accepted;     # laptop → node, answers announce; refused is the other answer
    nodes @14 :NodeList;        # laptop → operator, answers a hello where nodes announce themselves
    session @15 :Session;       # both ways: a session that a node holds for a laptop
  }
}

# ---- handshake ---------------------------------------------------------------------------------

struct Hello {
  protocol @0 :UInt32;
  # Version the laptop speaks. The node refuses what it does not speak itself.

  name @1 :Text;
  # Who asks, for the node's log. At most 64 bytes.

  model @2 :Text;
  fingerprint @3 :Data;
  # The laptop's model, as in Welcome, so that the node can refuse another one. Empty: the peer asks
  # for status only, and its calls are refused.

  layers @4 :UInt32;
  hidden @5 :UInt32;
  experts @6 :UInt32;
  expertWidth @7 :UInt32;

  weightsDigest @8 :Data;
  # As in Welcome.

  activation @9 :Activation;
}

struct Welcome {
  protocol @0 :UInt32;
  node @1 :Text;
  # Name of the node: stable over restarts.

  incarnation @2 :UInt64;
  # Chosen at random at every start of the node. Results carry it; a result of another incarnation
  # is dropped.

  model @3 :Text;
  fingerprint @4 :Data;
  # 32 bytes: SHA-256 over the model's numbers and its norms and router weights
  # (docs/vindex-format.md, "Fingerprint"). Laptop and node must hold the same model.

  layers @5 :UInt32;
  hidden @6 :UInt32;
  experts @7 :UInt32;
  expertWidth @8 :UInt32;
  # Shape of the whole model.

  firstLayer @9 :UInt32;
  lastLayer @10 :UInt32;
  firstExpert @11 :UInt32;
  lastExpert @12 :UInt32;
  # What this node owns; ranges are inclusive.

  formats @13 :Data;
  # u8 per owned layer: the activation format (see Format) of the layer's products. Its calls use that
  # one, or f32, which the node then rounds itself: as it does where gate and up want a row rounded
  # differently, and this is f32.

  maxRows @14 :UInt32;
  # Most rows in one call.

  state @15 :NodeState;

  weightsDigest @16 :Data;
  # 32 bytes: the digest of every expert of the model (docs/vindex-format.md, "checksums.json").
  # Empty: not known here, and then not compared.

  activation @17 :Activation;
  # What the model's experts compute between gate and up. Peers that do not send it mean gelu.

  ownedDigest @18 :Data;
  # 32 bytes: the digest of the experts that the node owns (docs/vindex-format.md, "checksums.json"),
  # which it can know without the others. Empty: not known yet.

  sessions @19 :UInt32;
  # Sessions of laptops that the node holds at the same time; 0: it takes none.

  reach @20 :Reach;
  # What the node answers for beside what it owns. It serves for choosing a way and nothing else.
}

struct Reach {
  # Experts that others own and the node asks them for: a relay.

  credits @0 :UInt32;
  # Calls of this connection that may wait at the same time and need others; more are overloaded.
  # What a relay gives to all laptops is never more than what the owners take from it.

  parts @1 :List(Part);
  # By owner. Absent: the node is no relay, or nobody is connected to it now.

  struct Part {
    incarnation @0 :UInt64;
    firstLayer @1 :UInt32;
    lastLayer @2 :UInt32;
    firstExpert @3 :UInt32;
    lastExpert @4 :UInt32;
  }
}

enum Activation {
  gelu @0;  # the tanh form
  silu @1;
}

enum NodeState {
  serving @0;
  loading @1;   # reads its pages before it takes calls
  draining @2;  # takes no calls any more
  degraded @3;  # its shard failed too often; takes no calls
}

struct Refused {
  reason @0 :Text;
}

# ---- the hot path ------------------------------------------------------------------------------

enum Format {
  f32 @0;    # activations: f32[rows][hidden]
  q832 @1;   # activations: i8[rows][stored]; scales: f32[rows][stored / 32]
  q8256 @2;  # activations: i8[rows][stored]; scales: f32[rows][stored / 256]
}

struct Call {
  id @0 :UInt64;
  # Chosen by the laptop, unique per connection.

  layer @1 :UInt32;
  rows @2 :UInt32;
  format @3 :Format;
  # As the node's Welcome says for the layer, or f32.

  activations @4 :Data;
  # Rows after pre_feedforward_layernorm_2, rounded as docs/numerics.md says; `stored` is hidden
  # rounded up to the format's block.

  scales @5 :Data;

  pickRows @6 :Data;      # u32[picks], index of the row in this call
  pickExperts @7 :Data;   # u16[picks], ascending; all owned, or reached, by the node
  pickWeights @8 :Data;   # f32[picks], finite

  pieceBytes @9 :UInt32;
  # The laptop takes the answer in pieces: several results of at most so many bytes, or of one row.
  # 0, or a node that does not know it: one result.

  direct @10 :Bool;
  # The node answers from its own pages or says notOwner. Whatever a relay forwards is direct, so no
  # call goes further than to one other node.

  remainingMicros @11 :UInt32;
  # How long the sender waits for the answer, from when the call was sent; 0: it does not say. A
  # relay gives up after that time.

  wholeRows @12 :Data;
  # u8[rows], or empty: 1 where these picks are all that the row has anywhere. Such a row's answer may
  # be complete.

  sums @13 :SumFormat;
  # What the rows of the answer may be rounded to. A node that does not know it answers exactly.

  enum SumFormat {
    exact @0;
    f16 @1;
    bf16 @2;
    q8 @3;
  }
}

struct Result {
  id @0 :UInt64;
  incarnation @1 :UInt64;
  rows @2 :UInt32;

  widths @3 :Data;
  # u8[rows]: bytes per sum of the row, 4 to 8, the fewest that hold all of them. 0: the row is
  # complete; only where the call said that it is whole, and only from a relay. 1 to 3: the row is
  # rounded to the SumFormat of that number; only where the call asked for that one.

  sums @4 :Data;
  # Per row hidden signed integers of widths[row] bytes: the sum over the row's picks of
  # weight * expert(row) in units of 2^-32. Integers, so the laptop may add shards in any order.
  # Of a complete row hidden f32: what the laptop would make of the integers of all experts. Nothing
  # may be added to it. Of a rounded row hidden f16 or bf16, or for every 32 numbers a f32 scale and
  # an i8 each. An owner sends a row that is too large for them as integers.

  computeNanos @5 :UInt64;
  # Time in the kernels, without queueing and network.

  queueNanos @6 :UInt64;
  # Time between arrival of the call and start of the kernels.

  firstRow @7 :UInt32;
  callRows @8 :UInt32;
  # A piece of an answer: rows [firstRow, firstRow + rows) of the call's callRows. Pieces of a call
  # come in ascending order, other messages between them; the last one completes the answer. Only
  # where the call allows it; 0: the answer is whole.

  makers @9 :Data;
  # u64[n]: the incarnations of the other nodes that had a part in the sums. Empty: none.

  forwardNanos @10 :UInt64;
  # Time between arrival of the call and the last answer of another node.
}

struct Failed {
  id @0 :UInt64;
  incarnation @1 :UInt64;
  code @2 :Code;
  text @3 :Text;

  enum Code {
    internal @0;    # a bug or damaged weights at the node; another replica may do better
    notOwner @1;    # an expert or layer is not the node's: the laptop's map is stale
    badCall @2;     # the call contradicts itself or the model: never retried
    overloaded @3;  # too many calls wait: retry elsewhere, or here after a back-off
    draining @4;    # the node is about to leave: retry elsewhere
    restarting @5;  # the shard failed and starts anew: retry elsewhere, or here after a back-off
    unavailable @6; # a relay has no answer of an owner in time: ask the owners
  }

  firstExpert @4 :UInt32;
  lastExpert @5 :UInt32;
  # With `unavailable`: the range of experts that are missing.
}

# ---- health ------------------------------------------------------------------------------------

struct Ping {
  nonce @0 :UInt64;
  node @1 :UInt64;
  # Of an operator to a laptop: the incarnation of the node that it is to be passed on to. The laptop
  # answers `refused` if it cannot. Nodes ignore it. The same in AskStatus and Control.
}

struct Pong {
  nonce @0 :UInt64;
  incarnation @1 :UInt64;
  served @2 :UInt64;      # calls answered since the node started
  waiting @3 :UInt32;     # calls accepted and not answered
  draining @4 :Bool;
  state @5 :NodeState;
  ownedDigest @6 :Data;   # as in Welcome; it may have become known since
  reach @7 :Reach;        # as in Welcome, as it is now
}

# ---- operation ---------------------------------------------------------------------------------

struct AskStatus {
  nonce @0 :UInt64;
  node @1 :UInt64;
}

struct NodeStatus {
  nonce @0 :UInt64;
  incarnation @1 :UInt64;
  state @2 :NodeState;
  uptimeMillis @3 :UInt64;
  served @4 :UInt64;         # calls answered since the start, failed ones included
  failed @5 :UInt64;         # of those
  waiting @6 :UInt32;        # calls accepted and not answered
  connections @7 :UInt32;
  restarts @8 :UInt32;       # of the shard
  ownedBytes @9 :UInt64;     # of weights
  residentBytes @10 :UInt64; # of those, in memory now
  rssBytes @11 :UInt64;      # of the process, weights included
  loadPercent @12 :UInt32;   # one-minute load average per core × 100

  answers @13 :Answers;
  # Whether the node's experts answered as they should when it warmed up.

  ownedDigest @15 :Data;
  # As in Welcome, as it is known now.

  ownAnswers @14 :Data;
  # 32 bytes if answers is `own`: SHA-256 of the known answers of all owned experts, by layer, then
  # expert. Nodes that own the same experts of the same model give the same.

  enum Answers {
    unchecked @0;  # no warm-up, or an older version
    known @1;      # as the table of its vindex says
    own @2;        # its vindex has no table
  }

  # Own work, and that of a relay, counted apart.
  rows @16 :UInt64;           # computed here
  computeNanos @17 :UInt64;   # for them
  reachedNodes @18 :UInt32;   # connected owners of what is not owned here
  forwardedCalls @19 :UInt64; # calls to them
  forwardedRows @20 :UInt64;  # rows in these
  forwardNanos @21 :UInt64;   # until they answered
}

struct Control {
  id @0 :UInt64;
  action @1 :Action;

  enum Action {
    drain @0;         # finish what was accepted, take nothing more; answered when that is done
    restartShard @1;  # end the shard after the call it computes, and start a new one
    restartNode @2;   # drain, then start the program anew under a new incarnation
  }

  node @2 :UInt64;
}

struct Controlled {
  id @0 :UInt64;
  ok @1 :Bool;
  text @2 :Text;    # what was done, or why not
}

# ---- joining -----------------------------------------------------------------------------------

struct Announce {
  description @0 :Welcome;
  # What the node is. One that offers memory instead of experts has firstExpert 1 and lastExpert 0.

  availableBytes @1 :UInt64;  # memory it offers for experts
  bytesPerExpert @2 :UInt64;  # of one expert in all layers, as its files have it
}

struct Accepted {
  verdict @0 :Verdict;
  # load: open these experts (of all layers), then announce again.
  firstExpert @1 :UInt32;
  lastExpert @2 :UInt32;
  retryMillis @3 :UInt32;     # standby: announce again after this time

  enum Verdict {
    serve @0;    # the connection stays; calls follow
    load @1;
    standby @2;  # nothing is missing
  }
}

struct NodeList {
  # The nodes that have announced themselves to a laptop and are connected.
  nodes @0 :List(Entry);

  struct Entry {
    description @0 :Welcome;  # with the state as the laptop knows it
    address @1 :Text;         # where the connection comes from
  }
}

# ---- sessions at a node ------------------------------------------------------------------------
# A laptop hands a node token ids and gets ids and pieces of text. Orders of the laptop and events of
# the node are numbered from 1 in a session; each side keeps what the other has not acknowledged and
# sends it again on the next connection, so both outlive a connection. Lists of token ids are
# u32[count].

struct Session {
  id @0 :Data;
  # 16 bytes that the node drew at random; empty in `open`, and in a `closed` that answers it.

  union {
    open @1 :Open;           # laptop → node; `opened` or `closed` is the answer
    resume @2 :Resume;       # laptop → node, first on another connection; the same answers
    opened @3 :Opened;       # node → laptop
    closed @4 :Closed;       # either: the session is over, or was never opened
    order @5 :Order;         # laptop → node
    event @6 :Event;         # node → laptop
    acknowledge @7 :UInt64;  # laptop → node: events up to this number have come
  }

  struct Open {
    version @0 :UInt32;
    # Of what a session computes: the same version, files and options give the same ids.

    dense @1 :Data;      # 32 bytes each: SHA-256 of what the laptop computes with: attention and dense
    head @2 :Data;       # branch; embeddings and head; tokenizer and generation config; template
    tokenizer @3 :Data;
    template @4 :Data;
    kv @5 :KvFormat;     # of keys and values
  }

  enum KvFormat {
    f16 @0;
    f32 @1;
  }

  struct Resume {
    received @0 :UInt64;  # events up to this number have come
  }

  struct Opened {
    received @0 :UInt64;   # orders up to this number have come
    context @1 :UInt32;    # tokens of a prompt and its answer
    sequences @2 :UInt32;  # answers at the same time
    kvBytes @3 :UInt64;    # of keys and values of answers that are computed
    keptMillis @4 :UInt32; # the session lives so long without a connection
  }

  struct Closed {
    code @0 :Code;
    text @1 :Text;

    enum Code {
      done @0;        # the laptop wanted no more
      differs @1;     # the two sides would not compute the same: `text` names what
      notAllowed @2;  # this peer may open none, or the node takes none
      full @3;        # as many as there may be
      unknown @4;     # closed before, never opened, or another peer's
      leaving @5;     # the node drains
      broken @6;      # an order or event that makes no sense, or too much that nobody took
      idle @7;        # nothing was asked for a long time
      failed @8;      # the node cannot compute
    }
  }

  struct Order {
    number @0 :UInt64;
    union {
      request @1 :Request;
      cancel @2 :UInt64;   # a request's id
    }
  }

  struct Request {
    id @0 :UInt64;         # the laptop's, above those before
    tokens @1 :Data;       # of the whole prompt, and of the answer as far as it was given elsewhere
    client @2 :Text;       # whose prompt it is, on the laptop: cached prefixes are not shared
    systemEnd @3 :UInt32;  # where later prompts may part from this one; 0: unknown
    turnEnds @4 :Data;     # u32[turns], ascending
    answers @5 :List(Answer);
  }

  struct Answer {
    temperature @0 :Float32;
    topK @1 :UInt32;
    topP @2 :Float32;
    minP @3 :Float32;
    seed @4 :UInt64;
    repetitionPenalty @5 :Float32;
    presencePenalty @6 :Float32;
    frequencyPenalty @7 :Float32;
    biasTokens @8 :Data;
    biasValues @9 :Data;   # f32[as many]
    maxTokens @10 :UInt64;
    firstIndex @11 :UInt64;
    stopTokens @12 :Data;
    stopTexts @13 :List(Text);
    logprobs @14 :UInt32;  # 0: none; n + 1: with the n most likely tokens
    reader @15 :Reading;
    inThought @16 :Bool;   # the prompt has opened a thought
    rules @17 :Rules;      # absent: none
    given @18 :Data;       # the answer as far as it was given elsewhere; tokens end with it

    enum Reading {
      none @0;         # ids alone
      text @1;         # text without control tokens
      allText @2;      # text with them
      output @3;       # thoughts, content and calls are told apart
    }
  }

  struct Rules {
    form @0 :UInt8;    # 0: text, 1: a JSON object
    schema @1 :Text;
    tools @2 :List(Tool);
    choice @3 :UInt8;  # 0: the model decides, 1: no call, 2: a call is required
    onlyTool @4 :Text;
    parallelCalls @5 :Bool;
    thinking @6 :Bool;
    inThought @7 :Bool;
    thoughtBudget @8 :UInt64;  # 0: none; n + 1: n tokens
  }

  struct Tool {
    name @0 :Text;
    description @1 :Text;
    parameters @2 :Text;
    strict @3 :Bool;
  }

  struct Event {
    number @0 :UInt64;
    request @1 :UInt64;
    received @2 :UInt64;   # orders up to this number have come
    union {
      admitted @3 :Void;
      refused @4 :Refusal;
      progress @5 :Progress;
      step @6 :Step;
      end @7 :End;
    }
  }

  struct Refusal {
    kind @0 :UInt8;        # actors/session/limits.hpp
    text @1 :Text;
    found @2 :UInt64;
    limit @3 :UInt64;
    retrySeconds @4 :UInt32;
  }

  struct Progress {
    tokens @0 :UInt32;     # of the prompt that are read
    cached @1 :UInt32;     # of these, that were known
    total @2 :UInt32;
  }

  struct Step {
    choice @0 :UInt32;
    tokens @1 :Data;
    text @2 :Data;         # UTF-8 that is certain with these tokens
    logprobs @3 :Data;     # per token, if they were asked for: u32 id, f32, u32 count, count × (u32, f32)
  }

  struct End {
    choice @0 :UInt32;
    reason @1 :UInt8;      # 0: failed, or a prompt alone; 1: stop token, 2: stop text, 3: token limit,
                           # 4: context full, 5: cancelled
    failed @2 :Bool;
    code @3 :UInt8;        # of the failure (runtime/base/result.hpp)
    text @4 :Text;         # of the failure
    promptTokens @5 :UInt32;
    cachedTokens @6 :UInt32;
    queuedNanos @7 :UInt64;
    prefillNanos @8 :UInt64;
    readTokens @9 :UInt32;
  }
}
