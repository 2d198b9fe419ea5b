// Mirrors runtime/vindex/package/slice_plan.hpp and slice.hpp.

#include "runtime/experts/expert_bank.hpp"
#include "runtime/vindex/format.hpp"
#include "runtime/vindex/package/slice.hpp"
#include "runtime/vindex/vindex.hpp"
#include "tests/support/failures.hpp"
#include "tests/support/files.hpp"
#include "tests/support/json_text.hpp"
#include "tests/support/rotated_experts.hpp"
#include "tests/support/run_model.hpp"
#include "tests/support/tiny_model.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstring>

namespace larql::vindex {
namespace {

namespace fs = std::filesystem;
using test::fails;
using test::succeeds;

slice_request by_preset(std::string_view name, std::optional<first_last> experts = {},
                        std::optional<first_last> layers = {}) {
  const auto* p = *find_preset(name);
  return {std::string{p->name}, p->parts, experts, layers};
}

std::uint64_t disk_bytes(const fs::path& path) {
  struct stat info {};
  EXPECT_EQ(::stat(path.c_str(), &info), 0);
  return static_cast<std::uint64_t>(info.st_blocks) * 512;
}

class Slice : public testing::Test {
protected:
  // Experts of 288 kB, so that holes are whole blocks of any file system.
  static test::tiny_options shape() {
    auto o = test::tiny_options{};
    o.experts = 6;
    o.tied = false;
    return o;
  }

  result<void> cut(const slice_request& request, const slice_options& options = {}) {
    LARQL_TRY(const auto plan, plan_slice(source_.path(), request));
    return slice(plan, out_, pool_, options);
  }

  [[nodiscard]] std::vector<std::string> names() const {
    auto out = std::vector<std::string>{};
    for (const auto& [name, content] : test::read_tree(out_))
      out.push_back(name);
    return out;
  }

  [[nodiscard]] checksums sums(const fs::path& dir) const {
    const auto read = read_checksums(dir);
    EXPECT_TRUE(succeeds(read));
    return read && *read ? **read : checksums{};
  }

  void expect_checksums_hold() const {
    auto files = sums(out_).files;
    for (const auto& [name, content] : test::read_tree(out_)) {
      if (name == checksums_file)
        continue;
      EXPECT_EQ(files[name].sha256, hash_bytes(std::as_bytes(std::span{content}))) << name;
      files.erase(name);
    }
    EXPECT_TRUE(files.empty());
  }

  test::tiny_vindex source_{shape()};
  test::temporary_directory dir_;
  fs::path out_ = dir_ / "slice.vindex";
  compute_pool pool_{2};
};

TEST_F(Slice, ALaptopSliceRunsLikeTheWholeButHoldsNoExperts) {
  ASSERT_TRUE(succeeds(cut(by_preset("moe-client"))));
  EXPECT_EQ(names(), (std::vector<std::string>{
                         "attn_weights_q4k.bin", "attn_weights_q4k_manifest.json", "checksums.json",
                         "embeddings.bin", "index.json", "interleaved_q4k.bin",
                         "interleaved_q4k_manifest.json", "larql_slice.json", "norms.bin",
                         "output_head.bin", "output_head_manifest.json", "weight_manifest.json"}));
  for (const auto& name : names())
    if (name.ends_with(".bin")) {
      EXPECT_EQ(test::read_file(out_ / name), test::read_file(source_ / name)) << name;
    }
  expect_checksums_hold();
  EXPECT_TRUE(succeeds(dense_weights::open(out_, source_.config())));
  EXPECT_TRUE(fails(experts::expert_bank::open(out_, source_.config(), {{0, 2}, {0, 5}}),
                    errc::mismatch, {out_.string(), "no experts", "--moe-shards"}));
  EXPECT_EQ(weights_digest(sums(out_)), weights_digest(sums(source_.path())));
  EXPECT_NE(weights_digest(sums(out_)), "");
}

TEST_F(Slice, AnExpertSliceKeepsOffsetsAndTakesOnlyTheOwnedBytes) {
  ASSERT_TRUE(succeeds(cut(by_preset("moe-experts", first_last{2, 3}))));
  expect_checksums_hold();
  for (auto l = 0u; l < 3; ++l) {
    const auto name = layer_file_name(l);
    const auto whole = test::read_file(source_ / name), part = test::read_file(out_ / name);
    ASSERT_EQ(part.size(), whole.size());
    const auto h = read_layer_header(*file::open(source_ / name), source_.config());
    ASSERT_TRUE(succeeds(h));
    EXPECT_EQ(part.substr(0, h->table_bytes), whole.substr(0, h->table_bytes));
    for (auto e = 0u; e < 6; ++e) {
      const auto at = h->entries[e].gate_up_offset;
      const auto bytes = h->expert_bytes();
      EXPECT_EQ(part.substr(at, bytes),
                e == 2 || e == 3 ? whole.substr(at, bytes) : std::string(bytes, '\0'));
    }
    EXPECT_LT(disk_bytes(out_ / name), 2 * h->expert_bytes() + (64 << 10));
    EXPECT_LT(disk_bytes(out_ / name), whole.size() / 2);
  }
  const auto bank = experts::expert_bank::open(out_, source_.config(), {{0, 2}, {2, 3}});
  ASSERT_TRUE(succeeds(bank));
  EXPECT_TRUE(succeeds(bank->check(1, 3)));
  EXPECT_EQ(weights_digest(sums(out_)), weights_digest(sums(source_.path())));
}

TEST_F(Slice, LayersChooseLayerFiles) {
  ASSERT_TRUE(succeeds(cut(by_preset("expert-server", {}, first_last{1, 2}))));
  EXPECT_FALSE(fs::exists(out_ / layer_file_name(0)));
  EXPECT_EQ(test::read_file(out_ / layer_file_name(2)),
            test::read_file(source_ / layer_file_name(2)));
  EXPECT_TRUE(succeeds(experts::expert_bank::open(out_, source_.config(), {{1, 2}, {0, 5}})));
  EXPECT_TRUE(fails(experts::expert_bank::open(out_, source_.config(), {{0, 2}, {0, 5}}),
                    errc::mismatch, {"layers 0-2", "layers 1-2"}));
}

TEST_F(Slice, EverythingGivesTheSameLogits) {
  ASSERT_TRUE(succeeds(cut(by_preset("all"))));
  const auto ids = test::random_ids(5, source_.config().vocab);
  EXPECT_EQ(test::logits_of(out_, ids), test::logits_of(source_.path(), ids));
}

TEST_F(Slice, ASliceCanBeCutAgainButHoldsNoMore) {
  ASSERT_TRUE(succeeds(cut(by_preset("moe-experts", first_last{1, 4}))));
  const auto again = plan_slice(out_, by_preset("moe-experts", first_last{2, 3}));
  ASSERT_TRUE(succeeds(again));
  ASSERT_TRUE(succeeds(slice(*again, dir_ / "again", pool_, {})));
  EXPECT_EQ(read_presence(dir_ / "again", source_.config())->source,
            read_presence(out_, source_.config())->source);
  EXPECT_EQ(weights_digest(sums(dir_ / "again")), weights_digest(sums(source_.path())));
  EXPECT_TRUE(fails(plan_slice(out_, by_preset("moe-experts", first_last{0, 1})), errc::mismatch,
                    {out_.string(), "experts 0-1", "experts 1-4"}));
  EXPECT_TRUE(
      fails(plan_slice(out_, by_preset("moe-client")), errc::mismatch, {out_.string(), "embed"}));
}

TEST_F(Slice, ASourceWithoutChecksumsGetsThemForWhatIsCopied) {
  fs::remove(source_ / checksums_file);
  ASSERT_TRUE(succeeds(cut(by_preset("moe-experts", first_last{2, 3}))));
  expect_checksums_hold();
  const auto layer = sums(out_).layers.at(1);
  EXPECT_TRUE(layer.experts[2] && layer.experts[3]);
  EXPECT_FALSE(layer.experts[0] || layer.experts[5]);
  EXPECT_EQ(weights_digest(sums(out_)), "");
}

TEST_F(Slice, ExpertsWhoseGateAndUpDifferKeepTheirNumbers) {
  auto o = test::k_quant_options();
  o.fused_gate_up = false;
  o.gate_up = quant::encoding::iq4_xs, o.up = quant::encoding::mxfp4;
  o.down = quant::encoding::iq2_xxs;
  source_ = test::tiny_vindex{o};
  ASSERT_TRUE(succeeds(cut(by_preset("moe-experts", first_last{2, 3}))));
  expect_checksums_hold();
  const auto owned = experts::ownership{{0, 2}, {2, 3}};
  const auto here = experts::expert_bank::open(out_, source_.config(), owned);
  const auto there = experts::expert_bank::open(source_.path(), source_.config(), owned);
  ASSERT_TRUE(here && there);
  const auto same = [](const quant::matrix_view& a, const quant::matrix_view& b) {
    return a.format == b.format && std::memcmp(a.data, b.data, a.size_bytes()) == 0;
  };
  for (auto l = 0u; l < 3; ++l)
    for (const auto e : {2u, 3u}) {
      const auto a = here->get(l, e), b = there->get(l, e);
      EXPECT_TRUE(same(a.gate, b.gate) && same(a.up, b.up) && same(a.down, b.down))
          << l << " " << e;
    }
}

TEST_F(Slice, ADamagedSourceIsNoticedWhileCopying) {
  const auto h = read_layer_header(*file::open(source_ / layer_file_name(1)), source_.config());
  test::overwrite(source_ / layer_file_name(1), h->entries[3].down_offset + 5, "x");
  EXPECT_TRUE(succeeds(cut(by_preset("moe-experts", first_last{0, 2})))); // it is not touched
  fs::remove_all(out_);
  EXPECT_TRUE(fails(cut(by_preset("moe-experts")), errc::corrupt,
                    {layer_file_name(1), "expert 3", "SHA-256", "damaged"}));
  EXPECT_FALSE(fs::exists(out_));
}

TEST_F(Slice, ASourceWithAnotherTableOfExpertsIsRefused) {
  const auto name = layer_file_name(1);
  test::rotate_experts(source_ / name,
                       *read_layer_header(*file::open(source_ / name), source_.config()));
  EXPECT_TRUE(fails(cut(by_preset("moe-experts")), errc::mismatch, {name, "table of experts"}));
}

TEST_F(Slice, ForceNeverReplacesTheSource) {
  auto o = slice_options{};
  o.force = true;
  const auto before = test::read_tree(source_.path());
  const auto plan = plan_slice(source_.path(), by_preset("moe-experts", first_last{0, 2}));
  ASSERT_TRUE(succeeds(plan));
  EXPECT_TRUE(fails(slice(*plan, source_.path(), pool_, o), errc::usage, {"is the source"}));
  EXPECT_EQ(test::read_tree(source_.path()), before);
}

TEST_F(Slice, WrongRequestsAreRefusedBeforeAnythingIsWritten) {
  EXPECT_TRUE(
      fails(cut(by_preset("moe-experts", first_last{4, 6})), errc::usage, {"experts 4-6", "0-5"}));
  EXPECT_TRUE(fails(cut(by_preset("moe-experts", {}, first_last{3, 3})), errc::usage,
                    {"layers 3-3", "0-2"}));
  EXPECT_TRUE(fails(cut(by_preset("moe-client", first_last{0, 1})), errc::usage,
                    {"--experts", "moe-client", "expert_layers"}));
  fs::create_directories(out_);
  EXPECT_TRUE(fails(cut(by_preset("all")), errc::usage, {out_.string(), "--force"}));
  auto o = slice_options{};
  o.force = true;
  EXPECT_TRUE(succeeds(cut(by_preset("all"), o)));
}

TEST_F(Slice, IndexSaysWhatIsThereInTheWordsOfTheReference) {
  test::patch_json(source_ / index_file, [](json& j) {
    j["checksums"] = {{"norms.bin", "00"}, {"embeddings.bin", "11"}};
    j["unknown"] = {1, 2};
  });
  fs::remove(source_ / checksums_file); // they would not hold any more
  const auto level = [&](const char* preset) {
    const auto plan = plan_slice(source_.path(), by_preset(preset));
    EXPECT_TRUE(succeeds(plan));
    const auto index = test::parse_json_text(plan->index);
    EXPECT_EQ(index["unknown"], (json{1, 2}));
    EXPECT_EQ(index["checksums"].size(), std::string_view{preset} == "moe-experts" ? 1u : 2u);
    return std::pair{index["extract_level"].get<std::string>(),
                     index["has_model_weights"].get<bool>()};
  };
  EXPECT_EQ(level("client"), (std::pair{std::string{"attention"}, true}));
  EXPECT_EQ(level("moe-client"), (std::pair{std::string{"all"}, true}));
  EXPECT_EQ(level("expert-server"), (std::pair{std::string{"browse"}, true}));
  EXPECT_EQ(level("moe-experts"), (std::pair{std::string{"browse"}, false}));
}

TEST_F(Slice, FilesOfNoPartStayBehindAndAreNamed) {
  test::write_file(source_ / "notes.txt", "x");
  test::write_file(source_ / "norms.bin.bak", "x");
  test::write_file(source_ / "layers/readme", "x");
  const auto plan = plan_slice(source_.path(), by_preset("all"));
  ASSERT_TRUE(succeeds(plan));
  EXPECT_EQ(plan->of_no_part, (std::vector<std::string>{"norms.bin.bak", "notes.txt"}));
  for (const auto& f : plan->files)
    EXPECT_NE(f.name, "layers/readme");
}

TEST_F(Slice, AfterAStopAnywhereTheResultIsTheSame) {
  const auto request = by_preset("moe-experts", first_last{1, 4});
  ASSERT_TRUE(succeeds(cut(request)));
  const auto want = test::read_tree(out_);
  auto stops = 0;
  for (auto n = 1;; ++n) {
    fs::remove_all(out_);
    auto calls = 0;
    auto o = slice_options{};
    o.on_progress = [&](const slice_progress&) { return ++calls != n; };
    const auto stopped = cut(request, o);
    if (stopped)
      break;
    ++stops;
    ASSERT_TRUE(fails(stopped, errc::cancelled, {"goes on"}));
    ASSERT_FALSE(fs::exists(out_));
    ASSERT_TRUE(succeeds(cut(request)));
    ASSERT_EQ(test::read_tree(out_), want);
  }
  EXPECT_GT(stops, 10);
}

TEST_F(Slice, FinishedFilesAreTakenOverOnlyIfTheirHashHolds) {
  const auto request = by_preset("moe-experts");
  const auto want = [&] {
    EXPECT_TRUE(succeeds(cut(request)));
    auto tree = test::read_tree(out_);
    fs::remove_all(out_);
    return tree;
  }();
  const auto partial = dir_ / "slice.vindex.partial";
  const auto stop_in = [&](std::string_view name) {
    auto o = slice_options{};
    o.on_progress = [&](const slice_progress& p) { return p.file != name; };
    EXPECT_TRUE(fails(cut(request, o), errc::cancelled, {}));
  };
  stop_in(layer_file_name(2));
  ASSERT_TRUE(fs::exists(partial / layer_file_name(1)));
  test::overwrite(partial / layer_file_name(0), 1000, "damage");
  auto resumed = std::uint64_t{0};
  auto written = std::set<std::string>{};
  auto o = slice_options{};
  o.on_progress = [&](const slice_progress& p) {
    resumed = p.resumed_bytes;
    written.emplace(p.file);
    return true;
  };
  ASSERT_TRUE(succeeds(cut(request, o)));
  EXPECT_GE(resumed, want.at(layer_file_name(1)).size());
  EXPECT_TRUE(written.contains(layer_file_name(0))); // again
  EXPECT_FALSE(written.contains(layer_file_name(1)));
  EXPECT_EQ(test::read_tree(out_), want);
}

TEST_F(Slice, MatricesInAnotherOrderAreFound) {
  // As another writer might lay a file out: down of the last expert first, with gaps.
  const auto name = layer_file_name(1);
  const auto old = test::read_file(source_ / name);
  auto h = *read_layer_header(*file::open(source_ / name), source_.config());
  const auto before = h.entries;
  auto data = std::string(h.table_bytes + 100, 'g');
  for (auto e = 6u; e-- > 0;) {
    h.entries[e].down_offset = data.size();
    data += old.substr(before[e].down_offset, h.down_bytes) + std::string(33, 'g');
  }
  for (auto e = 0u; e < 6; ++e) {
    h.entries[e].gate_up_offset = data.size();
    data += old.substr(before[e].gate_up_offset, h.gate_up_bytes);
  }
  data += "tail";
  const auto head = write_layer_header(h);
  data.replace(0, head.size(), reinterpret_cast<const char*>(head.data()), head.size());
  test::write_file(source_ / name, data);
  const auto known = sums(source_.path()).layers.at(1).experts;
  fs::remove(source_ / checksums_file);
  ASSERT_TRUE(succeeds(cut(by_preset("moe-experts", first_last{1, 2}))));
  const auto digests = sums(out_).layers.at(1).experts;
  EXPECT_EQ(digests[1], known[1]);
  EXPECT_EQ(digests[2], known[2]);
  expect_checksums_hold();
  fs::remove_all(out_);
  ASSERT_TRUE(succeeds(cut(by_preset("moe-experts"))));
  EXPECT_EQ(test::read_file(out_ / name), data); // gaps included
  EXPECT_EQ(sums(out_).layers.at(1).experts, known);
}

} // namespace
} // namespace larql::vindex
