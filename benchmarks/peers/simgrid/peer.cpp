// Replays a trace folder on SimGrid: peer TRACE OUT.
//
// A core is 1 Gflop/s, a core-second 1 Gflop; VMs are SimGrid's own virtual machines on its hosts. One actor starts
// every run at its release. Writes the end of every run to OUT (one per line, in row order) and prints the seconds for
// reading, for building the model and simulating, and for everything inside the program.
#include <simgrid/s4u.hpp>

#include <chrono>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <sstream>
#include <string>
#include <unordered_map>
#include <vector>

namespace sg4 = simgrid::s4u;

static const double FLOPS = 1e9;

// The rows below the heading; the folder's tables hold no quoted cells.
static std::vector<std::vector<std::string>> rows(const std::string& table) {
  std::ifstream file(table);
  if (!file) throw std::runtime_error("cannot read " + table);
  std::vector<std::vector<std::string>> found;
  std::string line;
  std::getline(file, line);
  while (std::getline(file, line)) {
    std::vector<std::string> cells;
    std::stringstream stream(line);
    for (std::string cell; std::getline(stream, cell, ',');) cells.push_back(cell);
    found.push_back(cells);
  }
  return found;
}

static double seconds(std::chrono::steady_clock::time_point from, std::chrono::steady_clock::time_point until) {
  return std::chrono::duration<double>(until - from).count();
}

int main(int argc, char* argv[]) {
  sg4::Engine engine(&argc, argv);
  const auto begun = std::chrono::steady_clock::now();
  const std::string trace = argv[1];
  const auto host_rows = rows(trace + "/hosts.csv");
  const auto vm_rows = rows(trace + "/vms.csv");
  const auto run_rows = rows(trace + "/runs.csv");
  const auto read = std::chrono::steady_clock::now();

  sg4::NetZone* zone = sg4::create_full_zone("zone");
  std::unordered_map<std::string, sg4::Host*> hosts;
  for (const auto& row : host_rows) hosts[row[0]] = zone->create_host(row[0], FLOPS)->set_core_count(std::stoi(row[1]));
  zone->seal();
  std::unordered_map<std::string, sg4::VirtualMachine*> vms;
  for (const auto& row : vm_rows) {
    vms[row[0]] = new sg4::VirtualMachine(row[0], hosts.at(row[1]), std::stoi(row[2]));
    vms[row[0]]->start();
  }
  std::vector<double> ends(run_rows.size());
  sg4::Actor::create("driver", hosts.begin()->second, [&] {
    std::vector<sg4::ExecPtr> runs;
    for (const auto& row : run_rows) {
      sg4::this_actor::sleep_until(std::stod(row[2]));
      runs.push_back(sg4::Exec::init()->set_flops_amount(std::stod(row[3]) * FLOPS)->set_host(vms.at(row[1])));
      runs.back()->start();
    }
    for (size_t row = 0; row < runs.size(); row++) {
      runs[row]->wait();
      ends[row] = runs[row]->get_finish_time();
    }
  });
  engine.run();
  const auto simulated = std::chrono::steady_clock::now();

  std::ofstream out(argv[2]);
  out.precision(17);
  for (const double end : ends) out << end << "\n";
  const double inside_s = seconds(begun, std::chrono::steady_clock::now());
  std::printf("{\"read_s\": %.6f, \"run_s\": %.6f, \"inside_s\": %.6f}\n", seconds(begun, read), seconds(read, simulated),
              inside_s);
}
