using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace CdpFunctions.Tests.Runtime;

/// <summary>The local host as a real process, in a folder of its own, on a free port.</summary>
internal sealed class LocalProcess : IAsyncDisposable
{
    private const string ReadyLine = "Ctrl-C stops it.";
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(90);

    private readonly Process _process;
    private readonly StringBuilder _output = new();
    private readonly StringBuilder _errors = new();
    private readonly TaskCompletionSource _ready = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private LocalProcess(Process process, int port)
    {
        _process = process;
        Address = new Uri($"http://127.0.0.1:{port}/");
        process.OutputDataReceived += (_, line) => Add(_output, line.Data);
        process.ErrorDataReceived += (_, line) => Add(_errors, line.Data);
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
    }

    public Uri Address { get; }

    public string Output
    {
        get
        {
            lock (_output) return _output.ToString();
        }
    }

    /// <summary>What it wrote to standard error, without the last line break.</summary>
    public string Errors
    {
        get
        {
            lock (_errors) return _errors.ToString().TrimEnd();
        }
    }

    public int ProcessId => _process.Id;

    /// <summary>Starts it without waiting. Settings are environment variables.</summary>
    public static LocalProcess Start(string folder, IReadOnlyDictionary<string, string> settings, IReadOnlyList<string>? arguments = null)
    {
        var port = FreePort();
        var start = new ProcessStartInfo(
            Environment.ProcessPath!, [Path.Combine(AppContext.BaseDirectory, "CdpFunctions.Local.dll"), .. arguments ?? ["--port", $"{port}"]])
        {
            UseShellExecute = false,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            WorkingDirectory = folder,
        };
        foreach (var (name, value) in settings) start.Environment[name] = value;
        return new LocalProcess(Process.Start(start)!, port);
    }

    /// <summary>Starts it and waits until it answers.</summary>
    /// <exception cref="InvalidOperationException">It ended instead.</exception>
    public static async Task<LocalProcess> StartReadyAsync(string folder, IReadOnlyDictionary<string, string> settings)
    {
        var process = Start(folder, settings);
        var ended = process._process.WaitForExitAsync();
        if (await Task.WhenAny(process._ready.Task, ended).WaitAsync(Patience) == ended)
            throw new InvalidOperationException($"The local host ended: {process.Errors}{process.Output}");
        return process;
    }

    /// <summary>The exit code, once it ended by itself.</summary>
    public async Task<int> ExitCodeAsync()
    {
        await _process.WaitForExitAsync().WaitAsync(Patience);
        return _process.ExitCode;
    }

    /// <summary>SIGTERM, then the exit code. Unix only.</summary>
    public async Task<int> TerminateAsync()
    {
        using var kill = Process.Start("kill", ["-TERM", $"{_process.Id}"]);
        await kill.WaitForExitAsync();
        return await ExitCodeAsync();
    }

    /// <summary>SIGKILL: it gets no chance to do anything.</summary>
    public async Task KillAsync()
    {
        _process.Kill();
        await _process.WaitForExitAsync();
    }

    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited) await KillAsync();
        _process.Dispose();
    }

    internal static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }

    private void Add(StringBuilder text, string? line)
    {
        if (line is null) return;
        lock (text) text.AppendLine(line);
        if (line.Contains(ReadyLine, StringComparison.Ordinal)) _ready.TrySetResult();
    }
}
