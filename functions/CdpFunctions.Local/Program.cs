using System.Runtime.InteropServices;
using CdpFunctions;
using CdpFunctions.Local.Emulator;
using CdpFunctions.Local.Runtime;

using var stop = new CancellationTokenSource();
using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop);
using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop);
try
{
    var settings = LocalSettings.Load(args, Directory.GetCurrentDirectory(), AppContext.BaseDirectory);
    var host = HostSettings.Load(AppContext.BaseDirectory);
    LocalPorts.ThrowIfTaken(settings.Port);
    await using var azurite = await LocalStorage.StartAsync(settings, Console.WriteLine, stop.Token);
    await using var running = await LocalHost.StartAsync(
        new LocalHostOptions
        {
            Configuration = settings.Configuration,
            Host = host,
            FunctionTypes = typeof(Program).Assembly.GetTypes(),
            Port = settings.Port,
            ConfigureServices = static (services, configuration) => services.AddCdp(configuration),
            InitializeAsync = CdpApplication.InitializeAsync,
            ConfigureLogging = StartupText.ConfigureLogging,
        },
        stop.Token);
    Console.WriteLine(StartupText.Running(running, settings));
    await Task.Delay(Timeout.Infinite, stop.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    Console.WriteLine("Stopping: waiting for what runs.");
    return 0;
}
catch (Exception error) when (error is LocalHostException or EmulatorException or SettingException)
{
    await Console.Error.WriteLineAsync(error.Message);
    return 1;
}
catch (OperationCanceledException) when (stop.IsCancellationRequested)
{
    return 0;
}

// The first signal stops gracefully; the second one has its usual effect.
void Stop(PosixSignalContext signal)
{
    signal.Cancel = !stop.IsCancellationRequested;
    stop.Cancel();
}
