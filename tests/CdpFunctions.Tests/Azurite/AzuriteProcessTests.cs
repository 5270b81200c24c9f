using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using Azure.Storage.Queues;
using CdpFunctions.Local.Emulator;
using Xunit;

namespace CdpFunctions.Tests.Azurite;

public sealed class AzuriteProcessTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("azurite-test").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public async Task OnDisk_WhatWasStored_IsThereAfterAStopAndAStart()
    {
        var options = new AzuriteOptions(folder, 0, 0, 0);
        await using (var first = await AzuriteProcess.StartAsync(options, Console.WriteLine, default))
        {
            var queue = new QueueClient(first.ConnectionString, "kept");
            await queue.CreateIfNotExistsAsync();
            await queue.SendMessageAsync("kept");
            await first.StopAsync();
            Assert.Throws<ArgumentException>(() => Process.GetProcessById(first.ProcessId));
        }

        await using var second = await AzuriteProcess.StartAsync(options, Console.WriteLine, default);
        try
        {
            var queue = new QueueClient(second.ConnectionString, "kept");
            Assert.Equal("kept", Assert.Single((await queue.PeekMessagesAsync()).Value).MessageText);
        }
        finally
        {
            await second.StopAsync();
        }
    }

    [Fact]
    public async Task OnDisk_OutlivesItsStarter()
    {
        var started = await AzuriteProcess.StartAsync(new AzuriteOptions(folder, 0, 0, 0), Console.WriteLine, default);
        await started.DisposeAsync();

        using var process = Process.GetProcessById(started.ProcessId);
        await File.WriteAllTextAsync(Path.Combine(folder, "azurite.stop"), "");
        await process.WaitForExitAsync();
        Assert.True(process.HasExited);
    }

    [Fact]
    public async Task InMemory_EndsWithItsStarter()
    {
        var started = await AzuriteProcess.StartAsync(AzuriteOptions.InMemory, Console.WriteLine, default);
        using var process = Process.GetProcessById(started.ProcessId);

        await started.DisposeAsync();

        await process.WaitForExitAsync();
        Assert.True(process.HasExited);
    }

    [Fact]
    public async Task PortTaken_IsOneClearSentence()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var port = ((IPEndPoint)listener.LocalEndpoint).Port;

        var failure = await Assert.ThrowsAsync<EmulatorException>(() => AzuriteProcess.StartAsync(new AzuriteOptions(folder, 0, port, 0), Console.WriteLine, default));

        Assert.StartsWith($"Port {port}, which the storage emulator Azurite needs, is taken by another program", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Installation_ByManyAtOnce_GivesAllTheSameScript()
    {
        var scripts = await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => AzuriteInstallation.EnsureAsync(Console.WriteLine, default)));

        Assert.True(File.Exists(Assert.Single(scripts.Distinct(StringComparer.Ordinal))));
    }
}
