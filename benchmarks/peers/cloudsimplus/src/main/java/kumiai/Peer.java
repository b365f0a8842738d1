package kumiai;

import ch.qos.logback.classic.Level;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.cloudsimplus.allocationpolicies.VmAllocationPolicyFirstFit;
import org.cloudsimplus.brokers.DatacenterBrokerSimple;
import org.cloudsimplus.cloudlets.Cloudlet;
import org.cloudsimplus.cloudlets.CloudletSimple;
import org.cloudsimplus.core.CloudSimPlus;
import org.cloudsimplus.datacenters.DatacenterSimple;
import org.cloudsimplus.hosts.Host;
import org.cloudsimplus.hosts.HostSimple;
import org.cloudsimplus.resources.Pe;
import org.cloudsimplus.resources.PeSimple;
import org.cloudsimplus.schedulers.cloudlet.CloudletSchedulerTimeShared;
import org.cloudsimplus.schedulers.vm.VmSchedulerTimeShared;
import org.cloudsimplus.util.Log;
import org.cloudsimplus.utilizationmodels.UtilizationModel;
import org.cloudsimplus.utilizationmodels.UtilizationModelFull;
import org.cloudsimplus.vms.Vm;
import org.cloudsimplus.vms.VmSimple;

/**
 * Replays a trace folder on CloudSim Plus: {@code Peer TRACE OUT}.
 *
 * <p>A core is a processing element of 1,000 MIPS, a core-second 1,000 million instructions. Writes the end of every
 * run to OUT (one per line, in row order) and prints the seconds for reading, for building the model and simulating,
 * and for everything inside the program.
 */
public final class Peer {
    private static final double MIPS = 1000;

    private Peer() {}

    public static void main(final String[] arguments) throws IOException {
        Log.setLevel(Level.OFF);
        final long begun = System.nanoTime();
        final Path trace = Path.of(arguments[0]);
        final List<String[]> hostRows = rows(trace.resolve("hosts.csv"));
        final List<String[]> vmRows = rows(trace.resolve("vms.csv"));
        final List<String[]> runRows = rows(trace.resolve("runs.csv"));
        final long read = System.nanoTime();

        final CloudSimPlus simulation = new CloudSimPlus();
        final List<Host> hosts = new ArrayList<>();
        for (final String[] row : hostRows) {
            hosts.add(host(Integer.parseInt(row[1])));
        }
        new DatacenterSimple(simulation, hosts, new VmAllocationPolicyFirstFit());
        final DatacenterBrokerSimple broker = new DatacenterBrokerSimple(simulation);
        final Map<String, Vm> vms = new HashMap<>();
        final List<Vm> vmList = new ArrayList<>();
        for (final String[] row : vmRows) {
            final Vm vm = new VmSimple(MIPS, Long.parseLong(row[2]), new CloudletSchedulerTimeShared());
            vm.setRam(4_000).setBw(100).setSize(10_000);
            vms.put(row[0], vm);
            vmList.add(vm);
        }
        broker.submitVmList(vmList);
        final List<Cloudlet> cloudlets = new ArrayList<>();
        for (final String[] row : runRows) {
            final Cloudlet cloudlet = new CloudletSimple(Math.round(Double.parseDouble(row[3]) * MIPS), 1);
            cloudlet.setUtilizationModelCpu(new UtilizationModelFull());
            cloudlet.setUtilizationModelRam(UtilizationModel.NULL);
            cloudlet.setUtilizationModelBw(UtilizationModel.NULL);
            cloudlet.setSubmissionDelay(Double.parseDouble(row[2]));
            cloudlet.setVm(vms.get(row[1]));
            cloudlets.add(cloudlet);
        }
        broker.submitCloudletList(cloudlets);
        simulation.start();
        final long simulated = System.nanoTime();

        final List<String> ends = new ArrayList<>();
        for (final Cloudlet cloudlet : cloudlets) {
            if (!cloudlet.isFinished()) {
                throw new IllegalStateException("cloudlet " + cloudlet.getId() + " has not finished");
            }
            ends.add(Double.toString(cloudlet.getFinishTime()));
        }
        Files.write(Path.of(arguments[1]), ends);
        System.out.printf(
                "{\"read_s\": %.6f, \"run_s\": %.6f, \"inside_s\": %.6f}%n",
                (read - begun) / 1e9, (simulated - read) / 1e9, (System.nanoTime() - begun) / 1e9);
    }

    private static Host host(final int cores) {
        final List<Pe> elements = new ArrayList<>();
        for (int number = 0; number < cores; number++) {
            elements.add(new PeSimple(MIPS));
        }
        final Host host = new HostSimple(512_000, 100_000, 10_000_000, elements);
        host.setVmScheduler(new VmSchedulerTimeShared());
        return host;
    }

    /** The rows below the heading; the folder's tables hold no quoted cells. */
    private static List<String[]> rows(final Path table) throws IOException {
        final List<String[]> rows = new ArrayList<>();
        for (final String line : Files.readAllLines(table).stream().skip(1).toList()) {
            rows.add(line.split(",", -1));
        }
        return rows;
    }
}
