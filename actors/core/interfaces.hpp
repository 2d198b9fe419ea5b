// Every message an actor of this system accepts, and nothing else. Read this file first: it is the
// map of the running system. No behaviour, no state, no policy.
//
// Conventions   `<role>_actor` is a typed handle. Any request may fail with a failure_code
//               (errc.hpp); callers pass a finite timeout, or watch the receiver and their own
//               clock.

#pragma once

#include "actors/core/admin_message.hpp"
#include "actors/core/cluster_view.hpp"
#include "actors/core/message_buffer.hpp"
#include "schema/messages.hpp"

#include <caf/all.hpp>
#include <caf/io/all.hpp>

#include <cstdint>
#include <memory>

namespace larql::actors {

struct layer_job;       // layer_job.hpp
struct connect_result;  // connector.hpp
struct accepted_client; // client_connection.hpp
using layer_job_ptr = std::shared_ptr<layer_job>;
using connect_result_ptr = std::shared_ptr<connect_result>;
using accepted_client_ptr = std::shared_ptr<accepted_client>;

struct session_call;   // session/session_call.hpp
struct session_reply;  // session/session_call.hpp
struct session_status; // session/status.hpp
using session_call_ptr = std::shared_ptr<session_call>;
using session_reply_ptr = std::shared_ptr<const session_reply>;
using session_status_ptr = std::shared_ptr<const session_status>;

struct placed_message; // node/session_desk.hpp
struct placed_event;   // node/session_desk.hpp
struct session_host;   // node/session_desk.hpp
struct place_event;    // laptop/remote_session.hpp
struct own_service;    // laptop/remote_session.hpp
using placed_message_ptr = std::shared_ptr<placed_message>;
using placed_event_ptr = std::shared_ptr<placed_event>;
using session_host_ptr = std::shared_ptr<const session_host>;
using place_event_ptr = std::shared_ptr<place_event>;
using own_service_ptr = std::shared_ptr<const own_service>;

/// Two nodes answered a call of these experts differently.
struct dispute {
  std::uint32_t layer = 0;
  std::vector<std::uint32_t> experts;
  std::vector<std::uint64_t> incarnations; ///< of the nodes
};
/// The incarnations whose known answers are wrong.
struct verdict_on_dispute {
  std::vector<std::uint64_t> wrong;
};
using dispute_ptr = std::shared_ptr<const dispute>;
using verdict_ptr = std::shared_ptr<const verdict_on_dispute>;

using admin_atom = caf::atom_constant<caf::atom("ask")>;
using run_atom = caf::atom_constant<caf::atom("run")>;
using cancel_atom = caf::atom_constant<caf::atom("cancel")>;
using check_atom = caf::atom_constant<caf::atom("check")>;
using condemn_atom = caf::atom_constant<caf::atom("condemn")>;
using connect_atom = caf::atom_constant<caf::atom("connect")>;
using describe_atom = caf::atom_constant<caf::atom("describe")>;
using drain_atom = caf::atom_constant<caf::atom("drain")>;
using router_atom = caf::atom_constant<caf::atom("router")>;
using route_atom = caf::atom_constant<caf::atom("route")>;
using status_atom = caf::atom_constant<caf::atom("status")>;
using supervisor_atom = caf::atom_constant<caf::atom("supervisor")>;
using tick_atom = caf::atom_constant<caf::atom("tick")>;
using view_atom = caf::atom_constant<caf::atom("view")>;
using dial_atom = caf::atom_constant<caf::atom("dial")>;
using dialled_atom = caf::atom_constant<caf::atom("dialled")>;
using found_atom = caf::atom_constant<caf::atom("found")>;
using announce_atom = caf::atom_constant<caf::atom("announce")>;
using notice_atom = caf::atom_constant<caf::atom("notice")>;
using start_atom = caf::atom_constant<caf::atom("start")>;
using restart_atom = caf::atom_constant<caf::atom("restart")>;
using shard_atom = caf::atom_constant<caf::atom("shard")>;
using open_atom = caf::atom_constant<caf::atom("open")>;
using append_atom = caf::atom_constant<caf::atom("append")>;
using generate_atom = caf::atom_constant<caf::atom("generate")>;
using pause_atom = caf::atom_constant<caf::atom("pause")>;
using resume_atom = caf::atom_constant<caf::atom("resume")>;
using close_atom = caf::atom_constant<caf::atom("close")>;
using ended_atom = caf::atom_constant<caf::atom("ended")>;
using event_atom = caf::atom_constant<caf::atom("event")>;
using forget_atom = caf::atom_constant<caf::atom("forget")>;
using session_atom = caf::atom_constant<caf::atom("session")>;
using reach_atom = caf::atom_constant<caf::atom("reach")>;

/// EXPERT SHARD: computes the experts that a node owns.
using expert_shard_actor = caf::typed_actor<
    // Computes a call. Answers a wire::Result, or a wire::Failed that says what is wrong with it.
    caf::replies_to<run_atom, received_call>::with<encoded_frame>,
    // What the node is and owns. Never fails.
    caf::replies_to<describe_atom>::with<description_ptr>,
    // Counters. Never fails.
    caf::replies_to<status_atom>::with<shard_status>,
    // Stops taking calls; answers once none is left.
    caf::reacts_to<drain_atom>>;

/// RELAY: the shard of a node that also answers for what others own. Calls that name nothing else
/// go to the shard behind it; of others the owners are asked for their part.
using relay_actor = expert_shard_actor::extend_with<caf::typed_actor<
    // Who is connected now, without this node.
    caf::reacts_to<view_atom, cluster_view_ptr>,
    // To itself: the time of a call may be over.
    caf::reacts_to<tick_atom>>>;

/// NODE LINK: a connection to a node, at the side that calls.
using node_link_actor = caf::typed_actor<
    // Sends a call to the node and answers its result. A node's refusal (wire::Failed) and a lost
    // connection are errors.
    caf::replies_to<run_atom, outgoing_call>::with<received_result>,
    // What the node is and owns. Never fails.
    caf::replies_to<describe_atom>::with<description_ptr>,
    // Counters. Never fails.
    caf::replies_to<status_atom>::with<shard_status>,
    // Forwards an operator's request to the node, under another request id, and answers what the
    // node answers.
    caf::replies_to<admin_atom, admin_message_ptr>::with<admin_message_ptr>,
    // To itself, for signs of life.
    caf::reacts_to<tick_atom>>;

/// ROUTER: sends each layer's rows to the owners of the chosen experts and adds up what comes back.
using router_actor = caf::typed_actor<
    // Computes a layer. The answer goes into the job, not into a message: the thread that runs
    // passes waits there (remote_experts.hpp).
    caf::reacts_to<route_atom, layer_job_ptr>,
    // The job's answer is not wanted any more.
    caf::reacts_to<cancel_atom, layer_job_ptr>,
    // From the supervisor: who is there now.
    caf::reacts_to<view_atom, cluster_view_ptr>,
    // To itself: a deadline may have passed.
    caf::reacts_to<tick_atom>>;

/// ANSWER CHECKER: asks nodes for known answers, and decides disputes by them.
using answer_checker_actor = caf::typed_actor<
    // Who is there now.
    caf::reacts_to<view_atom, cluster_view_ptr>,
    // Whose known answers of these experts are wrong?
    caf::replies_to<check_atom, dispute_ptr>::with<verdict_ptr>,
    // To itself: it is time for another sample.
    caf::reacts_to<tick_atom>>;

/// LAPTOP GUARD: watches router and supervisor, and replaces one that fails.
using laptop_guard_actor = caf::typed_actor<
    // Starts both. From the cluster.
    caf::replies_to<start_atom>::with<bool>,
    // To itself: the back-off is over.
    caf::reacts_to<router_atom>, caf::reacts_to<supervisor_atom>>;

/// SUPERVISOR: finds the nodes of a cluster, connects to them, watches the connections, and tells
/// the router who is there.
using supervisor_actor = caf::typed_actor<
    // Begins to look for nodes.
    caf::reacts_to<start_atom>,
    // From the guard: the router to tell from now on.
    caf::reacts_to<router_atom, router_actor>,
    // What became of dialling a target. From the connector.
    caf::reacts_to<dialled_atom, std::uint64_t, connect_result_ptr>,
    // The addresses that a name stands for now, or none if it could not be resolved.
    caf::reacts_to<found_atom, std::string, address_list_ptr>,
    // From the listener: a node announces itself. Answers what it should do.
    caf::replies_to<announce_atom, announce_ptr>::with<accepted_ptr>,
    // From the listener: the connection of a node that was told to serve.
    caf::reacts_to<connect_atom, connect_result_ptr>,
    // From a connection: its node says that its state, or what it reaches, has changed.
    caf::reacts_to<notice_atom, std::uint64_t, schema::node_state>,
    caf::reacts_to<reach_atom, std::uint64_t, reach_ptr>,
    // A node has given a wrong answer, and why that is known: it is not connected to any more.
    caf::reacts_to<condemn_atom, std::uint64_t, std::string>,
    // To itself: it is time to dial a target, or to resolve a name.
    caf::reacts_to<dial_atom, std::uint64_t>, caf::reacts_to<found_atom, std::string>,
    // Targets and members, for people.
    caf::replies_to<status_atom>::with<cluster_status_ptr>>;

/// ADMIN PROXY: an operator's connection, on the laptop.
using admin_proxy_actor = caf::typed_actor<
    // To itself: the connection has lasted too long.
    caf::reacts_to<tick_atom>>::extend_with<caf::io::connection_handler>;

/// CLIENT: a laptop's connection, on the node.
using client_actor = caf::typed_actor<
    // From the node: the shard to ask from now on, and what the node is now.
    caf::reacts_to<shard_atom, expert_shard_actor>, caf::reacts_to<notice_atom, schema::node_state>,
    // From the session desk: a frame for the laptop.
    caf::reacts_to<session_atom, encoded_frame>,
    // To itself: a call may have waited too long.
    caf::reacts_to<tick_atom>,
    // From its connection: there is room for the next piece of a long answer.
    caf::reacts_to<caf::io::data_transferred_msg>>::extend_with<caf::io::connection_handler>;

/// NODE: one per daemon. Keeps the shard and the connections of laptops.
using node_actor = caf::typed_actor<
    // From the listener: a connection that has been greeted.
    caf::reacts_to<connect_atom, accepted_client_ptr>,
    // The pages are read: calls may come.
    caf::reacts_to<notice_atom, schema::node_state>,
    // Stops taking calls; answers once those accepted are answered.
    caf::reacts_to<drain_atom>,
    // Ends the shard after the call it computes; a new one takes its place. Answers when it is
    // there.
    caf::replies_to<restart_atom>::with<bool>,
    // Numbers for people and monitoring.
    caf::replies_to<status_atom>::with<node_status_ptr>,
    // Its state, as a sign of life.
    caf::replies_to<describe_atom>::with<schema::node_state>,
    // To itself: start the shard again; give memory back.
    caf::reacts_to<shard_atom>, caf::reacts_to<tick_atom>>;

/// SESSION DESK: the sessions that a node holds for laptops.
using session_desk_actor = caf::typed_actor<
    // From a laptop's connection: what the laptop says of its session. False: the connection is to
    // be closed.
    caf::replies_to<session_atom, placed_message_ptr>::with<bool>,
    // From the pass thread: an event of a request.
    caf::reacts_to<event_atom, placed_event_ptr>,
    // The service that computes has been started, or could not be.
    caf::reacts_to<start_atom, session_host_ptr>,
    // From the node: what it is now.
    caf::reacts_to<notice_atom, schema::node_state>,
    // To itself: a session may have been without a connection, or without a request, for too long.
    caf::reacts_to<tick_atom>>;

/// SESSION SERVICE: answers prompts. Owns executor, sequences and prefix cache; its pass thread
/// computes, the actor never does. Front ends use session/session_client.hpp.
using session_actor = caf::typed_actor<
    // Opens a session for a client, or refuses.
    caf::replies_to<open_atom, std::string>::with<session_reply_ptr>,
    // Reads tokens ahead; admits or refuses. What comes of it are events of the call.
    caf::replies_to<append_atom, session_call_ptr>::with<session_reply_ptr>,
    // Answers a prompt; admits or refuses. Tokens, and their end, are events of the call.
    caf::replies_to<generate_atom, session_call_ptr>::with<session_reply_ptr>,
    // The request is not wanted any more. Ignored if it has ended.
    caf::reacts_to<cancel_atom, std::uint64_t>,
    // The request's reader is slow; or it has caught up.
    caf::reacts_to<pause_atom, std::uint64_t>, caf::reacts_to<resume_atom, std::uint64_t>,
    // Forgets a session and cancels what runs in it.
    caf::reacts_to<close_atom, std::uint64_t>,
    // Drops what is cached of clients whose names begin so.
    caf::reacts_to<forget_atom, std::string>,
    // Numbers for people and monitoring. Never fails.
    caf::replies_to<status_atom>::with<session_status_ptr>,
    // Admits nothing more; answers once nothing runs, at the latest after so many milliseconds,
    // when what still runs is cut.
    caf::replies_to<drain_atom, std::uint64_t>::with<bool>,
    // From the pass thread: a request has ended.
    caf::reacts_to<ended_atom, std::uint64_t>,
    // To itself: a pause or a drain may have lasted too long.
    caf::reacts_to<tick_atom>>;

/// REMOTE SESSION: a session service whose passes are computed at a node. Its clients cannot tell.
using remote_session_actor = session_actor::extend<
    // What became of dialling a place.
    caf::reacts_to<dialled_atom, std::uint64_t, connect_result_ptr>,
    // Whether a place takes sessions, and the context that it has; a refusal says why none does.
    caf::replies_to<start_atom>::with<session_reply_ptr>,
    // This process's own service, where answers go on when no node is left, and its events.
    caf::reacts_to<start_atom, own_service_ptr>,
    caf::reacts_to<event_atom, place_event_ptr>>::extend_with<caf::io::connection_handler>;

} // namespace larql::actors

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(larql::actors::placed_message_ptr)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(larql::actors::placed_event_ptr)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(larql::actors::session_host_ptr)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(larql::actors::place_event_ptr)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(larql::actors::own_service_ptr)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(larql::actors::session_call_ptr)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(larql::actors::session_reply_ptr)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(larql::actors::session_status_ptr)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(larql::actors::dispute_ptr)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(larql::actors::verdict_ptr)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(larql::actors::layer_job_ptr)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(larql::actors::connect_result_ptr)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(larql::actors::accepted_client_ptr)
