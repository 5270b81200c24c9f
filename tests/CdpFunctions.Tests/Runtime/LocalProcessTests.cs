using System.Net;
using System.Net.Sockets;
using CdpFunctions.Local.Runtime;
using CdpFunctions.Tests.Azurite;
using Xunit;

namespace CdpFunctions.Tests.Runtime;

/// <summary>What a person sees when a start goes wrong: one sentence, and a non-zero exit.</summary>
public sealed class LocalProcessTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("cdp-local-");

    public void Dispose() => _folder.Delete(recursive: true);

    [Theory]
    [InlineData("{ \"Values\": {\n oops } }", "is not valid JSON (line 2, column 2): correct it.")]
    [InlineData("[]", "must hold a JSON object: correct it.")]
    [InlineData("""{"Values": "x"}""", "Values must be an object; correct it.")]
    [InlineData("""{"Values": {"Cdp:X": {"a": 1}}}""", "Values.Cdp:X must be a string, since settings become environment variables; correct it.")]
    [InlineData("""{"IsEncrypted": true, "Values": {}}""", "is encrypted, which the local host cannot read: decrypt it with \"func settings decrypt\".")]
    [InlineData("""{"Host": {"LocalHttpPort": 70000}}""", "Host.LocalHttpPort must be a whole number from 1 to 65535; correct it.")]
    [InlineData("""{"Host": {"LocalHttpPort": "7071"}}""", "Host.LocalHttpPort must be a whole number from 1 to 65535; correct it.")]
    public async Task Start_SettingsFileMalformed_OneSentence(string file, string sentence)
    {
        await File.WriteAllTextAsync(Path.Combine(_folder.FullName, LocalSettings.FileName), file);
        var error = await FailAsync([], null);
        Assert.Contains(LocalSettings.FileName, error, StringComparison.Ordinal);
        Assert.EndsWith(sentence, error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("--port", "many", "--port needs a number from 1 to 65535, not 'many'.")]
    [InlineData("--prot", "1", "The argument '--prot' is unknown: only --port <number> is taken.")]
    public async Task Start_ArgumentMalformed_OneSentence(string name, string value, string sentence) =>
        Assert.Equal(sentence, await FailAsync([], [name, value]));

    [Fact]
    public async Task Start_PortTaken_OneSentence()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var port = ((IPEndPoint)listener.LocalEndpoint).Port;
        Assert.Equal($"Port {port} is taken: stop what listens there, or choose another port with --port.", await FailAsync([], ["--port", $"{port}"]));
    }

    [Fact]
    public async Task Start_ConnectionStringMalformed_OneSentence() => Assert.Equal(
        "The setting 'AzureWebJobsStorage' is not a storage connection string: set it to UseDevelopmentStorage=true, or to the one the portal shows.",
        await FailAsync([("AzureWebJobsStorage", "nonsense")], null));

    [Theory]
    [InlineData("Cdp__MaxBatchBytes", "4 MB", "The setting Cdp__MaxBatchBytes is not a number of bytes from 1 to 30,000,000: correct it, or leave it out.")]
    [InlineData("Cdp__PublicUrl", "cdp.shop.example", "The setting Cdp__PublicUrl is not an absolute http or https URL: correct it, or leave it out.")]
    [InlineData("Cdp__AdminKey", "secret", "The setting Cdp__AdminKey is shorter than 32 characters: take a longer random one.")]
    public async Task Start_SettingOfTheAppMalformed_OneSentence(string name, string value, string sentence) =>
        Assert.Equal(sentence, await FailAsync([("AzureWebJobsStorage", await AzuriteFixture.ConnectionStringAsync()), (name, value)], null));

    [Fact]
    public async Task Start_NodeMissing_OneSentence()
    {
        // Where an emulator runs already, Node is not needed.
        if (Array.Exists([10000, 10001, 10002], LocalPorts.IsListening)) return;
        Assert.StartsWith("Node.js is not installed;", await FailAsync([("AzureWebJobsStorage", LocalSettings.DevelopmentStorage), ("PATH", _folder.FullName)], null), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Start_StorageUnreachable_OneSentence()
    {
        var closed = $"http://127.0.0.1:{LocalProcess.FreePort()}/devstoreaccount1";
        var key = Convert.ToBase64String(new byte[64]);
        var error = await FailAsync(
            [("AzureWebJobsStorage", $"AccountName=devstoreaccount1;AccountKey={key};BlobEndpoint={closed};QueueEndpoint={closed};TableEndpoint={closed};")], null);
        Assert.StartsWith("The storage of AzureWebJobsStorage cannot be reached (", error, StringComparison.Ordinal);
        Assert.EndsWith("): start it, or correct the setting.", error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Start_SaysWhatRunsWhere_AnswersAndEndsGracefullyOnSigterm()
    {
        if (OperatingSystem.IsWindows()) return;
        await using var process = await LocalProcess.StartReadyAsync(
            _folder.FullName, new Dictionary<string, string> { ["AzureWebJobsStorage"] = await AzuriteFixture.ConnectionStringAsync() });
        Assert.Contains($"curl -u local: http://localhost:{process.Address.Port}/v1/track", process.Output, StringComparison.Ordinal);
        using (var client = new HttpClient())
        using (var response = await client.GetAsync(new Uri(process.Address, "no/such/route")))
            Assert.Equal(HttpStatusCode.NotFound, response.StatusCode);
        Assert.Equal(0, await process.TerminateAsync());
        Assert.Equal("", process.Errors);
    }

    private async Task<string> FailAsync((string Name, string Value)[] settings, string[]? arguments)
    {
        await using var process = LocalProcess.Start(_folder.FullName, settings.ToDictionary(setting => setting.Name, setting => setting.Value), arguments);
        Assert.NotEqual(0, await process.ExitCodeAsync());
        Assert.DoesNotContain('\n', process.Errors);
        return process.Errors;
    }
}
