using CdpFunctions.Local.Runtime;
using Microsoft.Extensions.Configuration;
using Xunit;

namespace CdpFunctions.Tests.Runtime;

public sealed class SettingsTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("cdp-settings-");

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public void LocalSettings_NoFile_DefaultsToTheEmulator()
    {
        var settings = LocalSettings.Load([], _folder.FullName);
        Assert.Equal(LocalSettings.DevelopmentStorage, settings.Configuration[LocalSettings.StorageSetting]);
        Assert.Equal((7071, null), (settings.Port, settings.Path));
    }

    [Fact]
    public void LocalSettings_File_IsFoundInAParentBeforeTheOtherFolder()
    {
        var child = _folder.CreateSubdirectory("a").CreateSubdirectory("b");
        var other = _folder.CreateSubdirectory("other");
        Write(other, """{"Values": {"X": "other"}}""");
        Assert.Equal("other", LocalSettings.Load([], child.FullName, other.FullName).Configuration["X"]);
        Write(_folder, """{"Values": {"X": "parent"}}""");
        Assert.Equal("parent", LocalSettings.Load([], child.FullName, other.FullName).Configuration["X"]);
    }

    [Fact]
    public void LocalSettings_Values_AreTextAndDoubleUnderscoresNest()
    {
        Write(_folder, """
            {
              // Core Tools takes comments, too.
              "IsEncrypted": false,
              "Values": { "Cdp__MaxBatchBytes": 5, "Cdp:Debug": true, "Empty": "", },
              "Host": { "LocalHttpPort": 8080, "CORS": "*" }
            }
            """);
        var settings = LocalSettings.Load([], _folder.FullName);
        Assert.Equal(("5", "true", ""), (settings.Configuration["Cdp:MaxBatchBytes"], settings.Configuration["Cdp:Debug"], settings.Configuration["Empty"]));
        Assert.Equal(8080, settings.Port);
        Assert.Equal(9090, LocalSettings.Load(["--port", "9090"], _folder.FullName).Port);
        Assert.Equal(9090, LocalSettings.Load(["--port=9090"], _folder.FullName).Port);
    }

    [Fact]
    public void LocalSettings_EnvironmentWins()
    {
        var name = "CDP_TEST_" + Guid.NewGuid().ToString("n");
        Write(_folder, $$$"""{"Values": {"{{{name}}}__Nested": "file"}}""");
        Assert.Equal("file", LocalSettings.Load([], _folder.FullName).Configuration[$"{name}:Nested"]);
        Environment.SetEnvironmentVariable($"{name}__Nested", "environment");
        try
        {
            Assert.Equal("environment", LocalSettings.Load([], _folder.FullName).Configuration[$"{name}:Nested"]);
        }
        finally
        {
            Environment.SetEnvironmentVariable($"{name}__Nested", null);
        }
    }

    [Fact]
    public void HostSettings_OfTheProject()
    {
        var settings = HostSettings.Load(AppContext.BaseDirectory);
        Assert.Equal(
            new HostSettings
            {
                RoutePrefix = "",
                Queues = new QueueSettings
                {
                    BatchSize = 16,
                    NewBatchThreshold = 8,
                    MaxDequeueCount = 20,
                    MaxPollingInterval = TimeSpan.FromSeconds(1),
                    VisibilityTimeout = TimeSpan.FromSeconds(30),
                    Base64Messages = false,
                },
            },
            settings);
    }

    [Fact]
    public void HostSettings_Empty_HasTheHostsDefaults()
    {
        File.WriteAllText(Path.Combine(_folder.FullName, HostSettings.FileName), """{"version": "2.0"}""");
        Assert.Equal(new HostSettings(), HostSettings.Load(_folder.FullName));
    }

    [Theory]
    [InlineData("""{"batchSize": 33}""", "extensions.queues.batchSize must be a whole number from 1 to 32")]
    [InlineData("""{"maxDequeueCount": 0}""", "extensions.queues.maxDequeueCount must be a whole number of at least 1")]
    [InlineData("""{"maxPollingInterval": "00:00:00.05"}""", "extensions.queues.maxPollingInterval must be a time span of at least 00:00:00.1000000")]
    [InlineData("""{"visibilityTimeout": 30}""", "extensions.queues.visibilityTimeout must be a string")]
    [InlineData("""{"messageEncoding": "utf8"}""", "extensions.queues.messageEncoding must be one of: base64, none")]
    public void HostSettings_Malformed_NamesTheMember(string queues, string part)
    {
        File.WriteAllText(Path.Combine(_folder.FullName, HostSettings.FileName), $$$"""{"extensions": {"queues": {{{queues}}}}}""");
        var error = Assert.Throws<LocalHostException>(() => HostSettings.Load(_folder.FullName));
        Assert.Contains(part, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void HostSettings_Missing_SaysWhatToDo()
    {
        var error = Assert.Throws<LocalHostException>(() => HostSettings.Load(_folder.FullName));
        Assert.StartsWith("There is no host.json in", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("plain", "plain")]
    [InlineData("%A%", "1")]
    [InlineData("x-%A%-%B__C%", "x-1-2")]
    [InlineData("100%", "100%")]
    public void SettingExpression_IsReplaced(string text, string expected)
    {
        var configuration = new ConfigurationBuilder().AddInMemoryCollection([new("A", "1"), new("B:C", "2")]).Build();
        Assert.Equal(expected, SettingExpression.Resolve(text, configuration, "F"));
    }

    [Fact]
    public void SettingExpression_Missing_NamesFunctionAndSetting()
    {
        var error = Assert.Throws<LocalHostException>(() => SettingExpression.Resolve("%Missing%", new ConfigurationBuilder().Build(), "Sweep"));
        Assert.Contains("Sweep needs the setting 'Missing'", error.Message, StringComparison.Ordinal);
    }

    private static void Write(DirectoryInfo folder, string json) => File.WriteAllText(Path.Combine(folder.FullName, LocalSettings.FileName), json);
}
